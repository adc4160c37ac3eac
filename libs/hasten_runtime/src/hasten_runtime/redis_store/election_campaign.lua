-- KEYS[1]  hash of the ownership: owner ('' for none), epoch, until_ms (server time), lease_ms
-- ARGV[1]  candidate
-- ARGV[2]  lease in ms
-- ARGV[3]  the new epoch is above this one, which the candidate knows of
-- Returns the epoch of the candidate's term, 0 when somebody else has the ownership. Idempotent.

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'until_ms', 'lease_ms')
local owner = held[1] or ''
local epoch = tonumber(held[2] or 0)
local until_ms = tonumber(held[3] or 0)
local lease_ms = tonumber(held[4] or 0)

local lives = owner ~= '' and until_ms > now_ms
if lives and owner ~= ARGV[1] then
  if until_ms > now_ms + lease_ms then
    -- The server's clock was set back: the lease ends after its own length, not after the hour.
    redis.call('HSET', KEYS[1], 'until_ms', now_ms + lease_ms)
  end
  return 0
end

-- A term of the candidate that is older than the newest it knows is from an old copy.
if not lives or epoch < tonumber(ARGV[3]) then
  -- Above the server's time, so that it rises although the hash is lost or from an old copy.
  epoch = math.max(epoch + 1, now_ms, ARGV[3] + 1)
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'epoch', epoch,
  'until_ms', now_ms + ARGV[2], 'lease_ms', ARGV[2])
return epoch
