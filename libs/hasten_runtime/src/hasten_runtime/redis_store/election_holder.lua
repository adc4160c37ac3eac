-- KEYS[1]  hash of the ownership, as in election_campaign.lua
-- Returns owner, epoch and what is left of the lease in ms; nothing when it is free. Reads only.

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'until_ms')
if (held[1] or '') == '' or tonumber(held[3]) <= now_ms then
  return {}
end
return {held[1], tonumber(held[2]), held[3] - now_ms}
