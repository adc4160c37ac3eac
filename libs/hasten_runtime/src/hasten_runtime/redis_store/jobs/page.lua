-- Some of the jobs, without their specs. Reads KEYS 1.
-- ARGV[arg]      cursor, about how many, what their ids begin with
-- Answers the cursor to go on with, then id and record of each.

local begin = ARGV[arg + 2]
local scanned = call('HSCAN', KEYS[1], ARGV[arg], 'COUNT', ARGV[arg + 1])
local flat, found = scanned[2], {}
for i = 1, #flat, 2 do
  local id, record = flat[i], flat[i + 1]
  if sub(id, 1, #begin) == begin then
    local h = head(record)
    if h then
      local spec_at = 1 + HEAD_BYTES + DIGEST_BYTES
      local body_at = spec_at + h[SPEC]
      h[SPEC] = 0
      record = packed(h) .. sub(record, 1 + HEAD_BYTES, spec_at - 1) .. sub(record, body_at)
    end
    found[#found + 1] = id
    found[#found + 1] = record
  end
end
return {now_ms, {scanned[1], found}}
