-- Tasks that ran under earlier owners wait again, uncounted.
--
-- Reads and writes KEYS 1 to 4 and 6 and the lanes; reads KEYS 9.
-- ARGV[arg]      owner, epoch, how many running tasks to pass over, how many to look at
-- Answers 0 when somebody else owns the shard; else how many wait again, how many are the owner's own,
-- and 1 when there may be more to look at.

if not owns(ARGV[arg], ARGV[arg + 1]) then
  return 0
end
-- Attempts are named after the epoch and the owner: one epoch may have been given to two owners,
-- where a replica was promoted that had not heard of the first.
local own = ARGV[arg + 1] .. '.' .. ARGV[arg] .. '.'
local ids = call('ZRANGE', KEYS[6], ARGV[arg + 2], ARGV[arg + 2] + ARGV[arg + 3] - 1)
fetch(ids)
local waiting, kept = 0, 0
for _, id in ipairs(ids) do
  local record = records[id]
  local h = head(record)
  if not h or h[STATE] ~= RUNNING then
    -- It cannot be read: nobody runs it any more, and its record stays for people.
    remove(KEYS[6], id)
  else
    local attempt_at = parts(h)
    local lane = lane_of(record, h)
    if sub(record, attempt_at, attempt_at + #own - 1) == own then
      kept = kept + 1
    elseif has_lane(lane) then
      take_out(id, lane, h)
      h[STATE], h[DUE] = WAITING, now_ms
      put(id, packed(h) .. sub(record, HEAD_BYTES + 1))
      add(lane_keys[lane], h[PLACE], id)
      change(id, lane, RUNNING, WAITING)
      waiting = waiting + 1
    end
  end
end
finish()
return answer({waiting, kept, #ids == tonumber(ARGV[arg + 3]) and 1 or 0})
