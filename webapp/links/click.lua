-- One click: what the link is, and the click counted, in one round trip.
-- KEYS  the link; what names the open batch; the set of batches
-- ARGV  the visitor, empty to count nothing; the family he comes from, 'Automatic' for what is no visitor; the link as
--       MySQL knows it, empty on the first try; for how many seconds to remember that
-- A stored link is "ID END TARGET": ID 0 for a slug that nobody has, END 0 for never, in seconds since 1970.
-- Returns false to be asked again with what MySQL knows; "0" nobody has it; "1" it has ended; otherwise the target.
local stored = redis.call('GET', KEYS[1])
if not stored or stored == '?' then
  if ARGV[3] == '' then return false end
  -- A link being changed has a '?': what was read of it may be old, and is not to be kept.
  if not stored then redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4]) end
  stored = ARGV[3]
end
local id, ends, target = string.match(stored, '^(%d+) (%d+) (.*)$')
if id == '0' then return '0' end
local time = redis.call('TIME')
local now = tonumber(time[1])
ends = tonumber(ends)
if ends > 0 and ends <= now then return '1' end
if ARGV[1] == '' then return target end

-- A batch gets its name at its first click and keeps it for ever: a Redis that comes back from an older copy of its
-- files holds the same batches, not new ones.
local minute = math.floor(now / 60)
local batch = redis.call('GET', KEYS[2])
if not batch or tonumber(string.match(batch, '^%d+')) ~= minute then
  batch = string.format('%d-%s-%s', minute, time[2], string.sub(ARGV[1], 1, 12))
  redis.call('SET', KEYS[2], batch)
  redis.call('SADD', KEYS[3], batch)
end
if ARGV[2] ~= 'Automatic' then
  redis.call('PFADD', 'visitors:' .. id .. ':' .. math.floor(now / 86400), ARGV[1])
end
-- Last: whatever fails before has counted nothing, and may be counted elsewhere.
redis.call('HINCRBY', 'clicks:' .. batch, id .. '|' .. ARGV[2], 1)
return target
