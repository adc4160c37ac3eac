-- Tasks that ran under earlier owners wait again, uncounted.
--
-- Reads and writes KEYS 1 to 4 and 6 and the lanes; reads KEYS 9.
-- ARGV[arg]      owner, epoch, cursor, most tasks
-- Answers 0 when somebody else owns the shard; else how many wait again, and the cursor to go on with.

if not owns(ARGV[arg], ARGV[arg + 1]) then
  return 0
end
-- Attempts are named after the epoch and the owner: one epoch may have been given to two owners,
-- where a replica was promoted that had not heard of the first.
local own = ARGV[arg + 1] .. '.' .. ARGV[arg] .. '.'
local scanned = call('HSCAN', KEYS[6], ARGV[arg + 2], 'COUNT', ARGV[arg + 3])
local ids = {}
local more = false
for i = 1, #scanned[2], 2 do
  if sub(scanned[2][i + 1], 1, #own) ~= own then
    -- A small hash is scanned whole, whatever the count.
    if #ids < tonumber(ARGV[arg + 3]) then
      ids[#ids + 1] = scanned[2][i]
    else
      more = true
    end
  end
end
fetch(ids)
local waiting = 0
for _, id in ipairs(ids) do
  local record = records[id]
  local h = head(id)
  if not h then
    -- It cannot be read: nobody runs it any more, and its record stays for people.
    remove(KEYS[6], id)
  else
    local lane = lane_of(record, h)
    if has_lane(lane) then
      local attempt = attempts[id]
      take_out(id, lane, h)
      h[RUNS] = h[RUNS] + 1
      wait_again(id, record, h, WAITING, now_ms, attempt, '')
      add(lane_keys[lane], h[PLACE], id)
      change(id, lane, RUNNING, WAITING)
      waiting = waiting + 1
    else
      more = true
    end
  end
end
finish()
return answer({waiting, more and ARGV[arg + 2] or scanned[1]})
