-- Ends tasks that have not ended, as cancelled.
--
-- Reads and writes KEYS 1 to 7 and the lanes.
-- ARGV[arg...]  ids of tasks
-- Answers for each the state in which it was, 0 for one that is not there, -1 when its lane is missing.

local ids = {}
for i = arg, #ARGV do
  ids[#ids + 1] = ARGV[i]
end
fetch(ids)

local before = {}
for i, id in ipairs(ids) do
  local record = records[id]
  local h = head(id)
  before[i] = h and h[STATE] or 0
  if h and h[STATE] < DONE then
    local lane = lane_of(record, h)
    local attempt = attempts[id]
    if take_out(id, lane, h) then
      tell((attempt and 'r' or 'l') .. id)
      if attempt then
        h[RUNS] = h[RUNS] + 1
      end
      end_task(id, record, h, lane, before[i], CANCELLED, '', 0, attempt or attempt_of(record, h), '')
    else
      before[i] = -1
    end
  end
end
finish()
return answer(before)
