-- Some of the tasks, without payload and result. Reads KEYS 1, 6 and 8.
-- ARGV[arg]      cursor, about how many, 1 for dead letters alone
-- Answers the cursor to go on with, ids, their records, and the attempts that run or nothing.

local dead = ARGV[arg + 2] == '1'
local scanned = call(dead and 'ZSCAN' or 'HSCAN', dead and KEYS[8] or KEYS[1], ARGV[arg], 'COUNT',
  ARGV[arg + 1])
local flat = scanned[2]
local ids = {}
for i = 1, #flat, 2 do
  ids[#ids + 1] = flat[i]
  records[flat[i]] = flat[i + 1]
end
if dead then
  fetch(ids)
else
  fetch_attempts(ids)
end
local found, running = {}, {}
for i, id in ipairs(ids) do
  local h = head(id)
  if h then
    local _, _, _, payload_at = parts(h)
    found[i] = sub(records[id], 1, payload_at - 1)
  else
    found[i] = records[id]
  end
  running[i] = attempts[id]
end
return answer({scanned[1], ids, found, running})
