-- Forgets ended jobs whose time is over. Reads and writes KEYS 1 and 3; reads KEYS 4.
-- ARGV[arg]      owner, epoch, most jobs
-- Answers 0 when somebody else owns the shard; else how many were forgotten.

if not owns(ARGV[arg], ARGV[arg + 1]) then
  return 0
end
local over = call('ZRANGEBYSCORE', KEYS[3], '-inf', now_ms, 'LIMIT', 0, ARGV[arg + 2])
if #over > 0 then
  call('HDEL', KEYS[1], unpack(over))
  call('ZREM', KEYS[3], unpack(over))
end
return {now_ms, #over}
