-- Waiting tasks run from now on. Idempotent by attempt.
--
-- Reads and writes KEYS 2 to 4 and 6 and the lanes; reads KEYS 1 and 9.
-- ARGV[arg]      owner, epoch
-- ARGV[arg + 2]  for each task its id, and the lane's number (two bytes) with the attempt's id
-- Answers 0 when somebody else owns the shard; else for each task its record, when it runs by that
-- attempt, or nothing.

if not owns(ARGV[arg], ARGV[arg + 1]) then
  return 0
end
local ids = {}
for i = arg + 2, #ARGV, 2 do
  ids[#ids + 1] = ARGV[i]
end
fetch(ids)

local claimed = {}
for i, id in ipairs(ids) do
  local said = ARGV[arg + 1 + i * 2]
  local lane, attempt = ARGV[2 + struct.unpack('<H', said)], sub(said, 3)
  local record = records[id]
  claimed[i] = false
  if lane_of_waiting(record) == lane then
    if not attempts[id] then
      remove(lane_keys[lane], id)
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
