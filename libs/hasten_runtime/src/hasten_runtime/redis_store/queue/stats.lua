-- Counts, and how long the oldest at the front of a lane has waited. Reads KEYS 1 to 3 and the lanes.
-- Answers counts as field, number, ...; lanes as lane, number, ...; and the time at which the oldest
-- front task was accepted, -1 for none.

local oldest
local ids = {}
for i = 1, tonumber(ARGV[2]) do
  ids[#ids + 1] = call('ZRANGE', KEYS[10 + i], 0, 0)[1]
end
fetch(ids)
for _, id in ipairs(ids) do
  local h = head(id)
  if h and (not oldest or h[SUBMITTED] < oldest) then
    oldest = h[SUBMITTED]
  end
end
return answer({call('HGETALL', KEYS[2]), call('HGETALL', KEYS[3]), oldest or -1})
