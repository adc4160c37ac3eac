-- KEYS[1]  hash of the ownership, as in election_campaign.lua
-- ARGV[1]  owner
-- ARGV[2]  epoch
-- ARGV[3]  lease in ms
-- Returns 1 when the term holds for another lease, 0 when it has ended. Idempotent.

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'until_ms')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] or tonumber(held[3]) <= now_ms then
  return 0
end
redis.call('HSET', KEYS[1], 'until_ms', now_ms + ARGV[3], 'lease_ms', ARGV[3])
return 1
