-- KEYS[1]  hash of the ownership, as in election_campaign.lua
-- ARGV[1]  owner
-- ARGV[2]  epoch
-- Ends the term if it is the newest; its epoch stays. Returns 1 when it was. Idempotent.

local held = redis.call('HMGET', KEYS[1], 'owner', 'epoch')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], 'owner', '', 'until_ms', 0)
return 1
