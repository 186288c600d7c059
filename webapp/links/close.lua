-- Closes the open batch if its minute is over. No click is counted into a batch that is not open.
-- KEYS  what names the open batch; the set of batches
-- Returns all closed batches.
local open = redis.call('GET', KEYS[1])
local minute = math.floor(tonumber(redis.call('TIME')[1]) / 60)
if open and tonumber(string.match(open, '^%d+')) ~= minute then
  redis.call('DEL', KEYS[1])
  open = false
end
local closed = {}
for _, batch in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  if batch ~= open then closed[#closed + 1] = batch end
end
return closed
