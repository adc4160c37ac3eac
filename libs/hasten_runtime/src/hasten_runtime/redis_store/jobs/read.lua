-- Jobs by id. Reads KEYS 1.
-- ARGV[arg]      ids
-- Answers a record, or nothing, for each.

local ids = {}
for i = arg, #ARGV do
  ids[#ids + 1] = ARGV[i]
end
return {now_ms, #ids > 0 and call('HMGET', KEYS[1], unpack(ids)) or {}}
