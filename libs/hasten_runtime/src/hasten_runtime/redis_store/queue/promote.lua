-- Tasks whose time has come wait in their lanes.
--
-- Reads and writes KEYS 1 to 5 and the lanes; reads KEYS 9.
-- ARGV[arg]      owner, epoch, most tasks
-- Answers 0 when somebody else owns the shard; else the lanes that grew, each with the least new place,
-- and the next task's time, or -1 when there is none.

if not owns(ARGV[arg], ARGV[arg + 1]) then
  return 0
end
local due = call('ZRANGEBYSCORE', KEYS[5], '-inf', now_ms, 'LIMIT', 0, ARGV[arg + 2])
fetch(due)
local least = {}
for _, id in ipairs(due) do
  local record = records[id]
  local h = head(id)
  if not h or h[STATE] ~= LATER then
    -- It cannot be read: it stands in nobody's way any more, and its record stays for people.
    remove(KEYS[5], id)
  else
    local lane = lane_of(record, h)
    if has_lane(lane) then
      take_out(id, lane, h)
      h[STATE], h[DUE] = WAITING, now_ms
      put(id, packed(h) .. sub(record, HEAD_BYTES + 1))
      add(lane_keys[lane], h[PLACE], id)
      if not least[lane] or h[PLACE] < least[lane] then
        least[lane] = h[PLACE]
      end
      change(id, lane, LATER, WAITING)
    end
  end
end
finish()
local lanes = {}
for lane, place in pairs(least) do
  lanes[#lanes + 1] = lane
  lanes[#lanes + 1] = string.format('%.17g', place)
end
local next_due = call('ZRANGE', KEYS[5], 0, 0, 'WITHSCORES')
return answer({lanes, next_due[2] or '-1'})
