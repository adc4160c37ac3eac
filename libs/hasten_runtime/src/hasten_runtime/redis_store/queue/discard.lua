-- Forgets tasks that have ended.
--
-- Reads and writes KEYS 1, 2, 7 and 8.
-- ARGV[arg...]  ids of tasks
-- Answers 1 for each that was forgotten, else 0.

local ids = {}
for i = arg, #ARGV do
  ids[#ids + 1] = ARGV[i]
end
fetch(ids)

local forgotten, gone = {}, {}
for i, id in ipairs(ids) do
  local h = head(id)
  forgotten[i] = 0
  if h and h[STATE] >= DONE then
    take_out(id, '', h)
    out_of[h[STATE]] = out_of[h[STATE]] + 1
    gone[#gone + 1] = id
    records[id] = false
    forgotten[i] = 1
  end
end
if #gone > 0 then
  call('HDEL', KEYS[1], unpack(gone))
end
finish()
return answer(forgotten)
