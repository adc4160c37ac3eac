-- Waiting tasks run from now on. Idempotent by attempt.
--
-- Reads and writes KEYS 1 to 4 and 6 and the lanes; reads KEYS 9.
-- ARGV[arg]      owner, epoch
-- ARGV[arg + 2]  for each task its id, the attempt's id and the lane's number
-- Answers 0 when somebody else owns the shard; else for each task its record or nothing.

if not owns(ARGV[arg], ARGV[arg + 1]) then
  return 0
end
local ids = {}
for i = arg + 2, #ARGV, 3 do
  ids[#ids + 1] = ARGV[i]
end
fetch(ids)

local claimed = {}
for i, id in ipairs(ids) do
  local at = arg + 2 + (i - 1) * 3
  local attempt, lane = ARGV[at + 1], ARGV[2 + ARGV[at + 2]]
  local record = records[id]
  local h = head(record)
  claimed[i] = false
  if h and lane_of(record, h) == lane then
    local attempt_at, deaths_at = parts(h)
    if h[STATE] == WAITING then
      take_out(id, lane, h)
      h[STATE], h[DUE], h[RUNS], h[ATTEMPT] = RUNNING, now_ms, h[RUNS] + 1, #attempt
      put(id, packed(h) .. sub(record, HEAD_BYTES + 1, attempt_at - 1) .. attempt
        .. sub(record, deaths_at))
      add(KEYS[6], tonumber(ARGV[arg + 1]), id)
      change(id, lane, WAITING, RUNNING)
      claimed[i] = records[id]
    elseif h[STATE] == RUNNING and sub(record, attempt_at, deaths_at - 1) == attempt then
      claimed[i] = record
    end
  end
end
finish()
return answer(claimed)
