-- Gives a task that waits, or waits for its time, another lane, place and deadline. Idempotent.
--
-- Reads and writes KEYS 1 to 4 and the lanes.
-- ARGV[arg]      id of the task, number of its new lane
-- ARGV[arg + 2]  factor and offset of its place
-- ARGV[arg + 4]  ms to its deadline; '' to leave that as it is
-- Answers the state in which it is, 0 when it is not there, -1 when its lane is missing.

local id, new_lane = ARGV[arg], ARGV[2 + ARGV[arg + 1]]
fetch({id})
local record = records[id]
local h = head(id)
if not h then
  return answer(0)
end
local state = h[STATE]
local lane = lane_of(record, h)
if state ~= WAITING and state ~= LATER then
  return answer(state)
end
if state == WAITING then
  if lane ~= new_lane and not take_out(id, lane, h) then
    return answer(-1)
  end
  tell('l' .. id)
end
local attempt_at = parts(h)
h[FACTOR] = tonumber(ARGV[arg + 2])
h[PLACE] = h[FACTOR] * now_s + ARGV[arg + 3]
if ARGV[arg + 4] ~= '' then
  h[DEADLINE] = now_ms + ARGV[arg + 4]
end
h[LANE] = #new_lane
put(id, packed(h) .. sub(record, HEAD_BYTES + 1, HEAD_BYTES + DIGEST_BYTES) .. new_lane
  .. sub(record, attempt_at))
if state == WAITING then
  add(lane_keys[new_lane], h[PLACE], id)
  grew(new_lane, h[PLACE])
end
if lane ~= new_lane then
  count_live(lane, h[PAYLOAD], -1)
  count_live(new_lane, h[PAYLOAD], 1)
end
change(id, new_lane, state, state)
finish()
return answer(state)
