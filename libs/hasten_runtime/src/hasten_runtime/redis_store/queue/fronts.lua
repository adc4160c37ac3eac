-- The fronts of the lanes that are named, without payloads.
--
-- Reads KEYS 1, 9 and the lanes; takes what cannot be read out of the lanes, and out of KEYS 3.
-- ARGV[arg]      owner, epoch, most tasks of a lane
-- Answers 0 when somebody else owns the shard; else for each lane how many wait, and a list of record,
-- place, record, place, ...; and the ids of what cannot be read.

if not owns(ARGV[arg], ARGV[arg + 1]) then
  return 0
end
local fronts, bad = {}, {}
for i = 1, tonumber(ARGV[2]) do
  local key = KEYS[10 + i]
  local front = call('ZRANGE', key, 0, ARGV[arg + 2] - 1, 'WITHSCORES')
  local ids = {}
  for j = 1, #front, 2 do
    ids[#ids + 1] = front[j]
  end
  fetch(ids)
  local list = {}
  local waiting = call('ZCARD', key)
  for j, id in ipairs(ids) do
    local record = records[id]
    local h = head(id)
    if h and h[STATE] == WAITING then
      local _, _, _, payload_at = parts(h)
      list[#list + 1] = sub(record, 1, payload_at - 1)
      list[#list + 1] = front[2 * j]
      list[#list + 1] = id
    else
      bad[#bad + 1] = id
      remove(key, id)
      waiting = waiting - 1
    end
  end
  fronts[i] = {waiting, list}
end
finish()
return answer({fronts, bad})
