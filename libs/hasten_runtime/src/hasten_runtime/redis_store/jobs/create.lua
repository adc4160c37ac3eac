-- Creates a job. Idempotent: one whose id is known is not created again.
--
-- Reads and writes KEYS 1 and 2.
-- ARGV[arg]      id, digest, ms for which it is kept, spec, body
-- ARGV[arg + 5]  most jobs that have not ended, 0 for no limit
-- ARGV[arg + 6]  1 when the server has no memory left for more
-- Answers an outcome (of tasks/jobs.py).

local CREATED, SAME, OTHER_CONTENT, FULL = 1, 2, 3, 4

local id, digest, spec, body = ARGV[arg], ARGV[arg + 1], ARGV[arg + 3], ARGV[arg + 4]
local most = tonumber(ARGV[arg + 5])
local record = call('HGET', KEYS[1], id)
local outcome
if record then
  -- Whoever asks for a sync waits for what his own connection wrote, so that also a repeat writes.
  call('HSET', KEYS[1], id, record)
  local known = sub(record, HEAD_BYTES + 1, HEAD_BYTES + DIGEST_BYTES)
  outcome = known == digest and SAME or OTHER_CONTENT
elseif ARGV[arg + 6] == '1' or (most > 0 and call('ZCARD', KEYS[2]) >= most) then
  outcome = FULL
else
  local h = {1, 1, 1, now_ms, now_ms, tonumber(ARGV[arg + 2]), #spec, #body}
  call('HSET', KEYS[1], id, packed(h) .. digest .. spec .. body)
  call('ZADD', KEYS[2], 0, id)
  outcome = CREATED
end
if outcome == CREATED or outcome == SAME then
  wake(id)
end
return {now_ms, outcome}
