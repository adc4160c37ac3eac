-- Ends attempts. Idempotent by attempt: one that is not its task's newest changes nothing.
--
-- Reads and writes KEYS 1 to 8 and the lanes; reads KEYS 9.
-- ARGV[arg]      owner, epoch
-- ARGV[arg + 2]  least ms for which a dead letter is kept
-- ARGV[arg + 3]  for each attempt its task's id, its own id, result, and facts with the worker that died
--                with it. Facts: state to come, 1 when it counts, 1 when the next is to run alone,
--                ms until that may start.
-- Answers 0 when somebody else owns the shard; else for each attempt 1 when it has ended so, 0 when
-- not, -1 when the lane is missing.

if not owns(ARGV[arg], ARGV[arg + 1]) then
  return 0
end
local dead_keep_ms = tonumber(ARGV[arg + 2])
local ids = {}
for i = arg + 3, #ARGV, 4 do
  ids[#ids + 1] = ARGV[i]
end
fetch(ids)

local settled = {}
for i, id in ipairs(ids) do
  local at = arg + 3 + (i - 1) * 4
  local attempt, result = ARGV[at + 1], ARGV[at + 2]
  local to, counts_too, alone, start_ms, death_at = struct.unpack('<BBBd', ARGV[at + 3])
  local death = sub(ARGV[at + 3], death_at)
  local record = records[id]
  local h = head(id)
  settled[i] = 0
  if h and attempts[id] then
    local lane = lane_of(record, h)
    if attempts[id] ~= attempt then
      -- Not the newest.
    elseif to == WAITING and not has_lane(lane) then
      settled[i] = -1
    else
      take_out(id, lane, h)
      h[RUNS], h[ATTEMPTS] = h[RUNS] + 1, h[ATTEMPTS] + counts_too
      if alone == 1 then
        h[FLAGS] = ALONE
      end
      if to < DONE then
        wait_again(id, record, h, to, now_ms + start_ms, attempt, death)
        if to == LATER then
          add(KEYS[5], now_ms + start_ms, id)
        else
          add(lane_keys[lane], h[PLACE], id)
        end
        change(id, lane, RUNNING, to)
      else
        end_task(id, record, h, lane, RUNNING, to, result, dead_keep_ms, attempt, death)
      end
      settled[i] = 1
    end
  elseif h then
    -- Settled before, if so; one that was to wait may have been promoted meanwhile.
    if attempt_of(record, h) == attempt
      and (h[STATE] == to or (to == LATER and h[STATE] == WAITING)) then
      settled[i] = 1
    end
  end
end
finish()
return answer(settled)
