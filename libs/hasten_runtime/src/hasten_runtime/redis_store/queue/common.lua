-- What all scripts of the task queue have in common; the loader puts it before each of them.
-- Times are the server's, in ms.
--
-- KEYS[1]    hash    tasks: task id -> record
-- KEYS[2]    hash    counts: s<state> tasks in a state, n:<tenant> and b:<tenant> a tenant's tasks and
--                    payload bytes that have not ended, bytes those of all tenants, changes how many
--                    were told, era when the first was, order in which the tasks stand
-- KEYS[3]    hash    lanes: lane -> how many tasks wait in it
-- KEYS[4]    stream  changes: an entry a call, lane -> lines of state digit and task id; the id of an
--                    entry is the era and the number of its last change
-- KEYS[5]    zset    later: task id -> when it may start
-- KEYS[6]    hash    running: task id -> id of the attempt that runs
-- KEYS[7]    zset    ended: state digit and task id -> when it is forgotten
-- KEYS[8]    zset    dead: task id -> when it ended
-- KEYS[9]    hash    owner: owner, epoch (and more, which the election writes)
-- KEYS[10]   hash    pauses: scope -> 1
-- KEYS[11..] zset    of the lanes that the call names: task id -> place
-- ARGV[1]    channel that hears what the shard's owner wants to know at once
-- ARGV[2]    how many lanes are named; their names follow
-- ARGV[arg]  the script's own arguments begin here
--
-- A lane is its class, the bytes of its tenant's name, and both names: "2:4:acmevision". A script
-- that needs a lane which the call does not name leaves the task alone and names the lane in its
-- answer (`missing`): the caller then repeats the call for those tasks with the lanes named. So every
-- key that a script touches is declared, as a cluster asks.
--
-- A record is a packed head, then digest (16 bytes), lane, id of the last attempt that was settled,
-- workers that died (a line each), body, payload, result. Body, payload and result mean nothing here.
-- A task that runs is one that waits by its record and stands in `running`: so a claim need not write
-- a record, payload and all, that the settlement writes again.

local call, sub, concat = redis.call, string.sub, table.concat
local time = call('TIME')
local now_s = time[1] + time[2] / 1000000
local now_ms = math.floor(now_s * 1000)

local HEAD, HEAD_BYTES, DIGEST_BYTES, LANE_AT = '<BBBHHddddddI4I4HHH', 69, 16, 64
local VERSION, STATE, FLAGS, ATTEMPTS, RUNS = 1, 2, 3, 4, 5
local SUBMITTED, DEADLINE, DUE, PLACE, FACTOR, KEEP = 6, 7, 8, 9, 10, 11
local BODY, PAYLOAD, LANE, ATTEMPT, DEATHS = 12, 13, 14, 15, 16
local WAITING, LATER, RUNNING, DONE, FAILED, DEAD, CANCELLED = 1, 2, 3, 4, 5, 6, 7
local ALONE = 1
local CHANGES_MAX = 65536
local DEATHS_BYTES_MAX = 4096

local arg = 3 + ARGV[2]
local lane_keys, missing = {}, {}
for i = 1, tonumber(ARGV[2]) do
  lane_keys[ARGV[2 + i]] = KEYS[10 + i]
end

-- By task id: its record, and the attempt that runs; nil for a task that was not fetched.
local records, attempts = {}, {}
local written, adds, removes, counts = {}, {}, {}, {}
local told, changes, grown, lines = {}, 0, {}, {}
local into, out_of = {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0}

-- Reads running attempts, and with them records; all of them at once.
local function fetch_attempts(ids)
  if #ids > 0 then
    for i, attempt in ipairs(call('HMGET', KEYS[6], unpack(ids))) do
      attempts[ids[i]] = attempt
    end
  end
end

local function fetch(ids)
  if #ids > 0 then
    for i, record in ipairs(call('HMGET', KEYS[1], unpack(ids))) do
      records[ids[i]] = record
    end
    fetch_attempts(ids)
  end
end

-- The fields of the head of a task's record; nil for no record and for one that cannot be read.
local function head(id)
  local record = records[id]
  if not record or #record < HEAD_BYTES + DIGEST_BYTES or string.byte(record) ~= 1 then
    return nil
  end
  local h = {struct.unpack(HEAD, record)}
  local least = HEAD_BYTES + DIGEST_BYTES + h[LANE] + h[ATTEMPT] + h[DEATHS] + h[BODY] + h[PAYLOAD]
  if #record < least or h[STATE] < WAITING or h[STATE] > CANCELLED then
    return nil
  end
  if attempts[id] then
    h[STATE] = RUNNING
  end
  return h
end

-- Where attempt, deaths, body, payload and result begin.
local function parts(h)
  local attempt = 1 + HEAD_BYTES + DIGEST_BYTES + h[LANE]
  local deaths = attempt + h[ATTEMPT]
  local body = deaths + h[DEATHS]
  local payload = body + h[BODY]
  return attempt, deaths, body, payload, payload + h[PAYLOAD]
end

local function lane_of(record, h)
  local lane = 1 + HEAD_BYTES + DIGEST_BYTES
  return sub(record, lane, lane + h[LANE] - 1)
end

-- The lane of a task that waits or runs, without reading all of its head; nil for any other.
local function lane_of_waiting(record)
  if not record or #record < HEAD_BYTES + DIGEST_BYTES then
    return nil
  end
  local version, state = string.byte(record, 1, 2)
  if version ~= 1 or state ~= WAITING then
    return nil
  end
  local lane = 1 + HEAD_BYTES + DIGEST_BYTES
  return sub(record, lane, lane + struct.unpack('<H', record, LANE_AT) - 1)
end

local function packed(h)
  return struct.pack(HEAD, unpack(h, 1, DEATHS))
end

local function put(id, record)
  records[id] = record
  written[id] = record
end

-- Sets a member, or removes it; done by `finish`, all of a key in one call. Of a set, score and
-- member; of `running`, task and attempt.
local function add(key, one, other)
  local list = adds[key]
  if not list then
    list = {}
    adds[key] = list
  end
  local n = #list
  list[n + 1] = one
  list[n + 2] = other
end

local function remove(key, member)
  local list = removes[key]
  if not list then
    list = {}
    removes[key] = list
  end
  list[#list + 1] = member
end

local function count(field, by)
  counts[field] = (counts[field] or 0) + by
end

-- The fields of `counts` in which a lane's tenant is counted: tasks and bytes.
local tenant_fields = {}
local function tenant_of(lane)
  local fields = tenant_fields[lane]
  if not fields then
    local bytes, from = string.match(lane, '^%d+:(%d+):()')
    local tenant = bytes and sub(lane, from, from + bytes - 1) or ''
    fields = {'n:' .. tenant, 'b:' .. tenant}
    tenant_fields[lane] = fields
  end
  return fields
end

-- A task that has not ended comes (1) or is no more (-1).
local function count_live(lane, bytes, by)
  local fields = tenant_of(lane)
  count(fields[1], by)
  count(fields[2], by * bytes)
  count('bytes', by * bytes)
end

-- A task is in another state; `from` nil when it is new.
local function change(id, lane, from, to)
  if from then
    out_of[from] = out_of[from] + 1
  end
  into[to] = into[to] + 1
  local list = told[lane]
  if not list then
    list = {}
    told[lane] = list
  end
  list[#list + 1] = to .. id
  changes = changes + 1
end

-- For the shard's owner: a lane has a new task; something else happened.
local function grew(lane, place)
  if not grown[lane] or place < grown[lane] then
    grown[lane] = place
  end
end

local function tell(line)
  lines[#lines + 1] = line
end

-- Adds to the counts, all at once, and tells the changes.
local function count_and_tell()
  for state = WAITING, CANCELLED do
    counts['s' .. state] = into[state] - out_of[state]
  end
  local fields, values, gone = {}, {}, {}
  for field, by in pairs(counts) do
    if by ~= 0 then
      fields[#fields + 1] = field
    end
  end
  local n = #fields
  if n + changes == 0 then
    return
  end
  fields[n + 1], fields[n + 2] = 'changes', 'era'
  local before = call('HMGET', KEYS[2], unpack(fields))
  for i = 1, n do
    local value = (before[i] or 0) + counts[fields[i]]
    if value == 0 then
      gone[#gone + 1] = fields[i]
    else
      values[#values + 1] = fields[i]
      values[#values + 1] = value
    end
  end
  local number = (before[n + 1] or 0) + changes
  local era = before[n + 2] or string.format('%.0f', now_ms)
  local m = #values
  values[m + 1], values[m + 2], values[m + 3], values[m + 4] = 'changes', number, 'era', era
  call('HSET', KEYS[2], unpack(values))
  if #gone > 0 then
    call('HDEL', KEYS[2], unpack(gone))
  end
  if changes == 0 then
    return
  end
  local words = {'XADD', KEYS[4]}
  if number > CHANGES_MAX then
    words[3], words[4] = 'MINID', '~'
    words[5] = era .. '-' .. string.format('%.0f', number - CHANGES_MAX)
  end
  words[#words + 1] = era .. '-' .. string.format('%.0f', number)
  for lane, list in pairs(told) do
    words[#words + 1] = lane
    words[#words + 1] = concat(list, '\n')
  end
  call(unpack(words))
end

-- Carries out what was gathered. Every script that changes tasks ends with it.
local function finish()
  local list = {}
  for id, record in pairs(written) do
    list[#list + 1] = id
    list[#list + 1] = record
  end
  if #list > 0 then
    call('HSET', KEYS[1], unpack(list))
  end
  for key, members in pairs(removes) do
    call(key == KEYS[6] and 'HDEL' or 'ZREM', key, unpack(members))
  end
  for key, members in pairs(adds) do
    call(key == KEYS[6] and 'HSET' or 'ZADD', key, unpack(members))
  end
  for lane, key in pairs(lane_keys) do
    if adds[key] or removes[key] then
      local waiting = call('ZCARD', key)
      if waiting > 0 then
        call('HSET', KEYS[3], lane, waiting)
      else
        call('HDEL', KEYS[3], lane)
      end
    end
  end
  count_and_tell()
  for lane, place in pairs(grown) do
    tell('g' .. string.format('%.17g', place) .. ' ' .. lane)
  end
  if #lines > 0 then
    call('PUBLISH', ARGV[1], concat(lines, '\n'))
  end
end

-- What every script answers: the time, the lanes that it lacks, and its own.
local function answer(own)
  local lacking = {}
  for lane in pairs(missing) do
    lacking[#lacking + 1] = lane
  end
  return {now_ms, lacking, own}
end

-- True when the lane may be touched; else it is named in the answer.
local function has_lane(lane)
  if lane_keys[lane] then
    return true
  end
  missing[lane] = true
  return false
end

-- Takes a task out of wherever it stands, but not out of the record. False when its lane is missing.
local function take_out(id, lane, h)
  if h[STATE] == WAITING then
    if not has_lane(lane) then
      return false
    end
    remove(lane_keys[lane], id)
  elseif h[STATE] == LATER then
    remove(KEYS[5], id)
  elseif h[STATE] == RUNNING then
    remove(KEYS[6], id)
    attempts[id] = false
  else
    remove(KEYS[7], h[STATE] .. id)
    if h[STATE] == DEAD then
      remove(KEYS[8], id)
    end
  end
  return true
end

-- What of a record stands between head and body, with a newer attempt and one more death.
local function with_attempt(record, h, attempt_at, deaths_at, body_at, attempt, death)
  local deaths = deaths_at < body_at and sub(record, deaths_at, body_at - 1) or ''
  if death ~= '' and #deaths + #death < DEATHS_BYTES_MAX then
    deaths = deaths .. death .. '\n'
  end
  h[ATTEMPT], h[DEATHS] = #attempt, #deaths
  return sub(record, HEAD_BYTES + 1, attempt_at - 1) .. attempt .. deaths
end

-- The task waits again, or for its time.
local function wait_again(id, record, h, to, due_ms, attempt, death)
  local attempt_at, deaths_at, body_at = parts(h)
  local middle = with_attempt(record, h, attempt_at, deaths_at, body_at, attempt, death)
  h[STATE], h[DUE] = to, due_ms
  put(id, packed(h) .. middle .. sub(record, body_at))
end

-- The task ends: its record keeps what people look at, and its inputs only as a dead letter.
-- `dead_keep_ms` is the least time for which such a one is kept.
local function end_task(id, record, h, lane, from, to, result, dead_keep_ms, attempt, death)
  local attempt_at, deaths_at, body_at, payload_at, result_at = parts(h)
  local middle = with_attempt(record, h, attempt_at, deaths_at, body_at, attempt, death)
  local kept_ms = h[KEEP]
  count_live(lane, h[PAYLOAD], -1)
  if to == DEAD then
    payload_at = result_at
    kept_ms = math.max(kept_ms, dead_keep_ms)
    add(KEYS[8], now_ms, id)
  else
    h[PAYLOAD] = 0
  end
  h[STATE], h[DUE] = to, now_ms
  put(id, packed(h) .. middle .. sub(record, body_at, payload_at - 1) .. result)
  add(KEYS[7], now_ms + kept_ms, to .. id)
  change(id, lane, from, to)
end

local function attempt_of(record, h)
  local attempt_at, deaths_at = parts(h)
  return sub(record, attempt_at, deaths_at - 1)
end

local function owns(owner, epoch)
  local holder = call('HMGET', KEYS[9], 'owner', 'epoch')
  return holder[1] == owner and tonumber(holder[2]) == tonumber(epoch)
end
