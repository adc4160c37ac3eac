-- KEYS[1]  zset, entry id -> server time in ms at which the entry ends
-- KEYS[2]  hash, entry id -> value
-- ARGV[1]  entry id
-- ARGV[2]  channel that hears of the removal; '' for none
-- Returns 1 when the entry was there, else 0. Idempotent.

local removed = redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
if removed == 1 and ARGV[2] ~= '' then
  redis.call('PUBLISH', ARGV[2], ARGV[1])
end
return removed
