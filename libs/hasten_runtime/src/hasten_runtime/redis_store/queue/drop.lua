-- A waiting task fails. Idempotent: one that failed so already counts as dropped.
--
-- Reads and writes KEYS 1 to 4 and 7 and the lanes; reads KEYS 9.
-- ARGV[arg]      owner, epoch, id of the task, result
-- Answers 0 when somebody else owns the shard; else 1 when it has failed so, 0 when it did not wait in
-- the lane that is named.

if not owns(ARGV[arg], ARGV[arg + 1]) then
  return 0
end
local id, result = ARGV[arg + 2], ARGV[arg + 3]
fetch({id})
local record = records[id]
local h = head(id)
if not h then
  return answer(0)
end
local lane = lane_of(record, h)
local _, _, _, _, result_at = parts(h)
if h[STATE] == FAILED and sub(record, result_at) == result then
  return answer(1)
end
if h[STATE] ~= WAITING or not lane_keys[lane] then
  return answer(0)
end
take_out(id, lane, h)
end_task(id, record, h, lane, WAITING, FAILED, result, 0, attempt_of(record, h), '')
finish()
return answer(1)
