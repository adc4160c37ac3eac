-- Ends attempts. Idempotent by attempt: one that is not its task's newest changes nothing.
--
-- Reads and writes KEYS 1 to 8 and the lanes; reads KEYS 9.
-- ARGV[arg]      owner, epoch
-- ARGV[arg + 2]  least ms for which a dead letter is kept
-- ARGV[arg + 3]  for each attempt its task's id, its own id, facts, result, and the worker that died with
--                it. Facts: state to come, 1 when it counts, 1 when the next is to run alone, ms
--                until that may start.
-- Answers 0 when somebody else owns the shard; else for each attempt 1 when it has ended so, 0 when
-- not, -1 when the lane is missing.

if not owns(ARGV[arg], ARGV[arg + 1]) then
  return 0
end
local dead_keep_ms = tonumber(ARGV[arg + 2])
local ids = {}
for i = arg + 3, #ARGV, 5 do
  ids[#ids + 1] = ARGV[i]
end
fetch(ids)

local settled = {}
for i, id in ipairs(ids) do
  local at = arg + 3 + (i - 1) * 5
  local attempt, result, death = ARGV[at + 1], ARGV[at + 3], ARGV[at + 4]
  local to, counts_too, alone, start_ms = struct.unpack('<BBBd', ARGV[at + 2])
  local record = records[id]
  local h = head(record)
  settled[i] = 0
  if h then
    local attempt_at, deaths_at, body_at = parts(h)
    local lane = lane_of(record, h)
    if sub(record, attempt_at, deaths_at - 1) ~= attempt then
      -- Not the newest.
    elseif h[STATE] ~= RUNNING then
      -- Settled before, if so; one that was to wait may have been promoted meanwhile.
      if h[STATE] == to or (to == LATER and h[STATE] == WAITING) then
        settled[i] = 1
      end
    elseif to == WAITING and not has_lane(lane) then
      settled[i] = -1
    else
      local deaths = sub(record, deaths_at, body_at - 1)
      if death ~= '' and #deaths + #death < DEATHS_BYTES_MAX then
        deaths = deaths .. death .. '\n'
      end
      take_out(id, lane, h)
      h[ATTEMPTS] = h[ATTEMPTS] + counts_too
      if alone == 1 then
        h[FLAGS] = ALONE
      end
      if to == WAITING or to == LATER then
        h[STATE], h[DUE], h[DEATHS] = to, now_ms + start_ms, #deaths
        put(id, packed(h) .. sub(record, HEAD_BYTES + 1, deaths_at - 1) .. deaths
          .. sub(record, body_at))
        if to == LATER then
          add(KEYS[5], h[DUE], id)
        else
          add(lane_keys[lane], h[PLACE], id)
        end
        change(id, lane, RUNNING, to)
      else
        end_task(id, record, h, lane, to, result, deaths, dead_keep_ms)
      end
      settled[i] = 1
    end
  end
end
finish()
return answer(settled)
