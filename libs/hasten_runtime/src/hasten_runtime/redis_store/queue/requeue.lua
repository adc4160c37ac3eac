-- Dead letters wait again, as if they were accepted now.
--
-- Reads and writes KEYS 1 to 4, 7, 8 and the lanes.
-- ARGV[arg...]  ids of tasks
-- Answers 1 for each that waits, 0 for what is no dead letter, -1 when its lane is missing.

local ids = {}
for i = arg, #ARGV do
  ids[#ids + 1] = ARGV[i]
end
fetch(ids)

local waits = {}
for i, id in ipairs(ids) do
  local record = records[id]
  local h = head(id)
  waits[i] = 0
  if h and h[STATE] == DEAD then
    local lane = lane_of(record, h)
    local _, deaths_at, body_at, _, result_at = parts(h)
    if has_lane(lane) then
      take_out(id, lane, h)
      local later_ms = now_ms - h[SUBMITTED]
      h[STATE], h[FLAGS], h[ATTEMPTS], h[DEATHS] = WAITING, 0, 0, 0
      h[SUBMITTED], h[DUE], h[DEADLINE] = now_ms, now_ms, h[DEADLINE] + later_ms
      h[PLACE] = h[PLACE] + h[FACTOR] * later_ms / 1000
      put(id, packed(h) .. sub(record, HEAD_BYTES + 1, deaths_at - 1)
        .. sub(record, body_at, result_at - 1))
      add(lane_keys[lane], h[PLACE], id)
      grew(lane, h[PLACE])
      count_live(lane, h[PAYLOAD], 1)
      change(id, lane, DEAD, WAITING)
      waits[i] = 1
    else
      waits[i] = -1
    end
  end
end
finish()
return answer(waits)
