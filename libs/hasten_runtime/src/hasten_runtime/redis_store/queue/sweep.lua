-- Forgets ended tasks whose time is over.
--
-- Reads and writes KEYS 1, 2, 7 and 8; reads KEYS 9.
-- ARGV[arg]      owner, epoch, most tasks
-- Answers 0 when somebody else owns the shard; else how many were forgotten.

if not owns(ARGV[arg], ARGV[arg + 1]) then
  return 0
end
local over = call('ZRANGEBYSCORE', KEYS[7], '-inf', now_ms, 'LIMIT', 0, ARGV[arg + 2])
local gone = {}
for i, member in ipairs(over) do
  local state, id = tonumber(sub(member, 1, 1)), sub(member, 2)
  gone[i] = id
  out_of[state] = out_of[state] + 1
  if state == DEAD then
    remove(KEYS[8], id)
  end
  remove(KEYS[7], member)
end
if #gone > 0 then
  call('HDEL', KEYS[1], unpack(gone))
end
finish()
return answer(#gone)
