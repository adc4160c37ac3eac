-- Waiting tasks run from now on. Idempotent by attempt.
--
-- Reads and writes KEYS 2 to 4 and 6 and the lanes; reads KEYS 1 and 9.
-- ARGV[arg]      owner, epoch
-- ARGV[arg + 2]  for each task its id, the attempt's id and the lane's number
-- Answers 0 when somebody else owns the shard; else for each task its record, when it runs by that
-- attempt, or nothing.

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
  local h = head(id)
  claimed[i] = false
  if h and lane_of(record, h) == lane then
    if h[STATE] == WAITING then
      take_out(id, lane, h)
      add(KEYS[6], id, attempt)
      attempts[id] = attempt
      change(id, lane, WAITING, RUNNING)
    end
    if attempts[id] == attempt then
      claimed[i] = record
    end
  end
end
finish()
return answer(claimed)
