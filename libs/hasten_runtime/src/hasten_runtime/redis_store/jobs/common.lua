-- What all scripts of the jobs have in common; the loader puts it before each of them.
-- Times are the server's, in ms.
--
-- KEYS[1]    hash    jobs: job id -> record
-- KEYS[2]    zset    live: id of each job that has not ended, all with score 0
-- KEYS[3]    zset    ended: job id -> when it is forgotten
-- KEYS[4]    hash    owner: owner, epoch (and more, which the election writes)
-- ARGV[1]    channel that hears what the shard's owner wants to know at once
-- ARGV[arg]  the script's own arguments begin here
--
-- A record is a packed head, then digest (16 bytes), spec and body. Both mean nothing here.

local call, sub = redis.call, string.sub
local time = call('TIME')
local now_ms = math.floor(time[1] * 1000 + time[2] / 1000)

local HEAD, HEAD_BYTES, DIGEST_BYTES = '<BBddddI4I4', 42, 16
local VERSION, STATE, REVISION, CREATED, CHANGED, KEEP, SPEC, BODY = 1, 2, 3, 4, 5, 6, 7, 8
local ENDED = 4
local arg = 2

-- The fields of the head of a record; nil for no record and for one that cannot be read.
local function head(record)
  if not record or #record < HEAD_BYTES + DIGEST_BYTES or string.byte(record) ~= 1 then
    return nil
  end
  local h = {struct.unpack(HEAD, record)}
  if #record < HEAD_BYTES + DIGEST_BYTES + h[SPEC] + h[BODY] then
    return nil
  end
  return h
end

local function packed(h)
  return struct.pack(HEAD, unpack(h, 1, BODY))
end

local function wake(id)
  call('PUBLISH', ARGV[1], 'j' .. id)
end

local function owns(owner, epoch)
  local holder = call('HMGET', KEYS[4], 'owner', 'epoch')
  return holder[1] == owner and tonumber(holder[2]) == tonumber(epoch)
end
