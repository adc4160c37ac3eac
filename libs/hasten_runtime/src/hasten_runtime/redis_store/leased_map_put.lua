-- KEYS[1]  zset, entry id -> server time in ms at which the entry ends
-- KEYS[2]  hash, entry id -> value
-- ARGV[1]  entry id
-- ARGV[2]  value
-- ARGV[3]  time to live in ms
-- ARGV[4]  most entries in the map
-- ARGV[5]  channel that hears of new and changed entries; '' for none
-- Returns {value before, or false} when stored, 0 when the map is full. Idempotent.

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms, 'LIMIT', 0, 1000)) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end

local before = redis.call('HGET', KEYS[2], ARGV[1])
if not before and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then
  return 0
end

redis.call('ZADD', KEYS[1], now_ms + ARGV[3], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])

-- The map itself ends with its last entry.
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], last[2])
redis.call('PEXPIREAT', KEYS[2], last[2])

if ARGV[5] ~= '' and before ~= ARGV[2] then
  redis.call('PUBLISH', ARGV[5], ARGV[1])
end
return {before}
