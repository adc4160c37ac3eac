-- Accepts tasks, each for itself: at most 256, so that it holds the server for 2 ms at most.
-- Idempotent: a task whose id is known is not accepted again.
--
-- Reads and writes KEYS 1 to 5 and the lanes.
-- ARGV[arg]     most tasks of the shard, payload bytes, tasks of a tenant, payload bytes of a tenant; 0
--               for no limit
-- ARGV[arg + 4] 1 when the server has no memory left for more
-- ARGV[arg + 5] for each task its id, facts and body with payload. Facts: number of its lane, factor and
--               offset of its place, ms to its deadline, ms until it may start, ms for which it is kept,
--               bytes of body and of payload, digest.
-- Answers an outcome (of tasks/port.py) for each.

local ACCEPTED, SAME, OTHER_CONTENT, QUEUE_FULL, TENANT_FULL = 1, 2, 3, 4, 5
local FACTS = '<HdddddI4I4'

local limits = {}
for i = 1, 4 do
  local limit = tonumber(ARGV[arg + i - 1])
  limits[i] = limit > 0 and limit or math.huge
end
local no_memory = ARGV[arg + 4] == '1'

local ids = {}
for i = arg + 5, #ARGV, 3 do
  ids[#ids + 1] = ARGV[i]
end
fetch(ids)

local live = call('HMGET', KEYS[2], 's1', 's2', 's3', 'bytes')
local tasks = (live[1] or 0) + (live[2] or 0) + (live[3] or 0)
local bytes = tonumber(live[4] or 0)
local held = {}
local function of_tenant(lane)
  local fields = tenant_of(lane)
  if not held[fields[1]] then
    local of = call('HMGET', KEYS[2], unpack(fields))
    held[fields[1]] = {tonumber(of[1] or 0), tonumber(of[2] or 0)}
  end
  return held[fields[1]]
end

local outcomes = {}
local accepted, later = false, false
for i, id in ipairs(ids) do
  local at = arg + 5 + (i - 1) * 3
  local facts, rest = ARGV[at + 1], ARGV[at + 2]
  local number, factor, offset, left_ms, start_ms, keep_ms, body_bytes, payload_bytes =
    struct.unpack(FACTS, facts)
  local digest = sub(facts, -DIGEST_BYTES)
  local lane = ARGV[2 + number]
  local outcome
  if records[id] then
    local known = sub(records[id], HEAD_BYTES + 1, HEAD_BYTES + DIGEST_BYTES)
    outcome = known == digest and SAME or OTHER_CONTENT
  elseif no_memory or tasks >= limits[1] or bytes + payload_bytes > limits[2] then
    outcome = QUEUE_FULL
  else
    local of = of_tenant(lane)
    if of[1] >= limits[3] or of[2] + payload_bytes > limits[4] then
      outcome = TENANT_FULL
    else
      outcome = ACCEPTED
      accepted = true
      tasks, bytes = tasks + 1, bytes + payload_bytes
      of[1], of[2] = of[1] + 1, of[2] + payload_bytes
      -- Those of one call are a microsecond apart, in the order of the call; `reorder` counts on it.
      local accepted_s = now_s + (i - 1) / 1000000
      local place = factor * accepted_s + offset
      local state = start_ms > 0 and LATER or WAITING
      local accepted_ms = accepted_s * 1000
      put(id, struct.pack(HEAD, 1, state, 0, 0, 0, accepted_ms, math.floor(accepted_ms) + left_ms,
        now_ms + start_ms, place, factor, keep_ms, body_bytes, payload_bytes, #lane, 0, 0)
        .. digest .. lane .. rest)
      if state == LATER then
        add(KEYS[5], now_ms + start_ms, id)
        later = true
      else
        add(lane_keys[lane], place, id)
        grew(lane, place)
      end
      count_live(lane, payload_bytes, 1)
      change(id, lane, nil, state)
    end
  end
  outcomes[i] = outcome
end

if later then
  tell('t')
end
if not accepted then
  -- Whoever asks for a sync waits for what his own connection wrote, so that also a mere repeat writes.
  call('HSET', KEYS[2], 'asked', now_ms)
end
finish()
return answer(outcomes)
