-- Sets or takes back a pause. Idempotent.
--
-- Reads and writes KEYS 10.
-- ARGV[arg]      scope, 1 to set it, most scopes
-- Answers 1, or 0 when there are as many as may be.

local scope = ARGV[arg]
if ARGV[arg + 1] == '1' then
  if call('HLEN', KEYS[10]) >= tonumber(ARGV[arg + 2]) and call('HEXISTS', KEYS[10], scope) == 0 then
    return answer(0)
  end
  call('HSET', KEYS[10], scope, 1)
else
  call('HDEL', KEYS[10], scope)
end
tell('p')
finish()
return answer(1)
