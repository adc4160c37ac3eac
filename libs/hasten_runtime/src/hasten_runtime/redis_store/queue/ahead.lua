-- Tasks that wait for a time, the soonest first, without payload and result. Reads KEYS 1 and 5.
-- ARGV[arg]      most tasks
-- Answers ids and their records.

local ids = call('ZRANGE', KEYS[5], 0, ARGV[arg] - 1)
fetch(ids)
local known, found = {}, {}
for _, id in ipairs(ids) do
  local h = head(id)
  if h then
    local _, _, _, payload_at = parts(h)
    known[#known + 1] = id
    found[#found + 1] = sub(records[id], 1, payload_at - 1)
  end
end
return answer({known, found})
