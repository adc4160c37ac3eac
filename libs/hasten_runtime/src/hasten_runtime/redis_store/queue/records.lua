-- Records of tasks. Reads KEYS 1 and 6.
-- ARGV[arg...]  ids of tasks
-- Answers for each its record or nothing, and the attempt that runs or nothing.

local ids = {}
for i = arg, #ARGV do
  ids[#ids + 1] = ARGV[i]
end
fetch(ids)
local found, running = {}, {}
for i, id in ipairs(ids) do
  found[i], running[i] = records[id], attempts[id]
end
return answer({found, running})
