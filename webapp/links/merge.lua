-- Joins the visitors of one link and day with those that MySQL knows. Doing it twice changes nothing.
-- KEYS  the visitors of the day; room to work in
-- ARGV  MySQL's sketch of that day and of all days, each empty if there is none; for how many seconds the day is kept
-- Returns the number of the day's visitors and their sketch, and the same for all days.
local function joined(known)
  if known ~= '' then redis.call('SET', KEYS[2], known) else redis.call('DEL', KEYS[2]) end
  local merged = redis.pcall('PFMERGE', KEYS[2], KEYS[1])
  if merged.err then -- a sketch that is none costs the visitors it stood for, but holds up no clicks
    redis.call('DEL', KEYS[2])
    redis.call('PFMERGE', KEYS[2], KEYS[1])
  end
  return redis.call('PFCOUNT', KEYS[2]), redis.call('GET', KEYS[2])
end
local ever, ever_sketch = joined(ARGV[2])
local today, today_sketch = joined(ARGV[1])
-- A Redis that was emptied during the day learns again who was here.
redis.call('PFMERGE', KEYS[1], KEYS[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('DEL', KEYS[2])
return {today, today_sketch, ever, ever_sketch}
