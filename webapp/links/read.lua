-- What Redis knows of one link that MySQL may not know yet.
-- KEYS  the set of batches
-- ARGV  the link's id; the families
-- Returns the time, the number of today's visitors, and for each batch that has the link its name and its clicks by family.
local now = redis.call('TIME')[1]
local id = ARGV[1]
local fields = {}
for number = 2, #ARGV do fields[number - 1] = id .. '|' .. ARGV[number] end
local found = {}
for _, batch in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local clicks = redis.call('HMGET', 'clicks:' .. batch, unpack(fields))
  for number = 1, #fields do
    if clicks[number] then
      found[#found + 1] = {batch, ARGV[number + 1], tonumber(clicks[number])}
    end
  end
end
return {now, redis.call('PFCOUNT', 'visitors:' .. id .. ':' .. math.floor(tonumber(now) / 86400)), found}
