-- Gives tasks that have not ended other places, counted from when each was accepted. Idempotent.
--
-- Reads and writes KEYS 1 to 4 and the lanes; reads KEYS 9.
-- ARGV[arg]      owner, epoch
-- ARGV[arg + 2]  the order that all tasks stand in afterwards; '' to leave that as it is
-- ARGV[arg + 3]  for each task its id, the number of its lane, factor and offset of its place
-- Answers 0 when somebody else owns the shard; else the order in which they stand, '' for none.

if not owns(ARGV[arg], ARGV[arg + 1]) then
  return 0
end
-- Turns of hard schedules stand before all others, whatever the order: tasks.py, RESERVED_BELOW.
local RESERVED_BELOW = -5e11

local ids = {}
for i = arg + 3, #ARGV, 4 do
  ids[#ids + 1] = ARGV[i]
end
fetch(ids)
for i, id in ipairs(ids) do
  local at = arg + 3 + (i - 1) * 4
  local record, lane = records[id], ARGV[2 + ARGV[at + 1]]
  local h = head(id)
  if h and h[STATE] < DONE and h[PLACE] > RESERVED_BELOW and lane_of(record, h) == lane then
    local state = h[STATE]
    if state == RUNNING then
      -- By its record it waits; see common.lua.
      h[STATE] = WAITING
    end
    h[FACTOR] = tonumber(ARGV[at + 2])
    h[PLACE] = h[FACTOR] * h[SUBMITTED] / 1000 + ARGV[at + 3]
    put(id, packed(h) .. sub(record, HEAD_BYTES + 1))
    if state == WAITING then
      add(lane_keys[lane], h[PLACE], id)
    end
  end
end
if ARGV[arg + 2] ~= '' then
  call('HSET', KEYS[2], 'order', ARGV[arg + 2])
end
finish()
return answer(call('HGET', KEYS[2], 'order') or '')
