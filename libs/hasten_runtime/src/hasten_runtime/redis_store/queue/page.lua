-- Some of the tasks, without payload and result. Reads KEYS 1 and 8.
-- ARGV[arg]      cursor, about how many, 1 for dead letters alone
-- Answers the cursor to go on with, and a list of id, record, id, record, ...

local key, verb = KEYS[1], 'HSCAN'
if ARGV[arg + 2] == '1' then
  key, verb = KEYS[8], 'ZSCAN'
end
local scanned = call(verb, key, ARGV[arg], 'COUNT', ARGV[arg + 1])
local flat = scanned[2]
if verb == 'ZSCAN' then
  local ids = {}
  for i = 1, #flat, 2 do
    ids[#ids + 1] = flat[i]
  end
  fetch(ids)
end
local list = {}
for i = 1, #flat, 2 do
  local id = flat[i]
  local record = flat[i + 1]
  if verb == 'ZSCAN' then
    record = records[id]
  end
  local h = head(record)
  if h then
    local _, _, _, payload_at = parts(h)
    record = sub(record, 1, payload_at - 1)
  end
  list[#list + 1] = id
  list[#list + 1] = record or ''
end
return answer({scanned[1], list})
