-- Records of tasks. Reads KEYS 1.
-- ARGV[arg...]  ids of tasks
-- Answers for each its record or nothing.

local ids = {}
for i = arg, #ARGV do
  ids[#ids + 1] = ARGV[i]
end
return answer(#ids > 0 and call('HMGET', KEYS[1], unpack(ids)) or {})
