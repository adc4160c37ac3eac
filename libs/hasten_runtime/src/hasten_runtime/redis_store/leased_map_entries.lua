-- KEYS[1]  zset, entry id -> server time in ms at which the entry ends
-- KEYS[2]  hash, entry id -> value
-- ARGV[1]  most entries to return
-- Returns id, value, id, value, ... of the entries that have not ended. Reads only.

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now_ms, '+inf', 'LIMIT', 0, ARGV[1])
local flat = {}
for _, id in ipairs(ids) do
  local value = redis.call('HGET', KEYS[2], id)
  if value then
    flat[#flat + 1] = id
    flat[#flat + 1] = value
  end
end
return flat
