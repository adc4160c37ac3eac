-- Jobs that have not ended. Reads KEYS 1, 2 and 4.
-- ARGV[arg]      owner, epoch, the id after which to begin or nothing, most jobs
-- Answers 0 when somebody else owns the shard; else the last id looked at, or nothing at the end, and
-- id and record of each.

if not owns(ARGV[arg], ARGV[arg + 1]) then
  return 0
end
local after = ARGV[arg + 2]
local most = tonumber(ARGV[arg + 3])
local ids = call('ZRANGEBYLEX', KEYS[2], after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, most)
local found = {}
if #ids > 0 then
  for i, record in ipairs(call('HMGET', KEYS[1], unpack(ids))) do
    found[2 * i - 1], found[2 * i] = ids[i], record
  end
end
return {now_ms, {#ids == most and ids[most] or '', found}}
