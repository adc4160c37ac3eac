-- Changes a job that has not ended and whose revision is known.
--
-- Reads and writes KEYS 1 to 3; reads KEYS 4.
-- ARGV[arg]      id, revision, new state, new body, 1 for the shard's owner, owner, epoch
-- Answers 0 when an owner is none; else 1, or 0 for a job of another revision or that has ended.

local id, owner = ARGV[arg], ARGV[arg + 4] == '1'
if owner and not owns(ARGV[arg + 5], ARGV[arg + 6]) then
  return 0
end
local record = call('HGET', KEYS[1], id)
local h = head(record)
if not h or h[REVISION] ~= tonumber(ARGV[arg + 1]) or h[STATE] == ENDED then
  return {now_ms, 0}
end
local body_at = 1 + HEAD_BYTES + DIGEST_BYTES + h[SPEC]
local body = ARGV[arg + 3]
h[STATE], h[REVISION], h[CHANGED], h[BODY] = tonumber(ARGV[arg + 2]), h[REVISION] + 1, now_ms, #body
call('HSET', KEYS[1], id, packed(h) .. sub(record, HEAD_BYTES + 1, body_at - 1) .. body)
if h[STATE] == ENDED then
  call('ZREM', KEYS[2], id)
  call('ZADD', KEYS[3], now_ms + h[KEEP], id)
end
if not owner then
  wake(id)
end
return {now_ms, 1}
