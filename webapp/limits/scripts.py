"""The two scripts that Redis runs, each as one act."""

# KEYS: the mark of a known address, then one meter each. ARGV: the time in milliseconds, or 0 for the time of Redis,
# which all our machines share; the number of the meter that a known address is excused from, or 0, and below 0 if
# whoever tries is excused from it anyway; then for each meter
# how many tries are free, the first wait, its factor, the longest wait, and how long until one try is forgotten.
# Answers in how many milliseconds the next try will be let through; 0 if this one is, and only then counts it.
TAKE = """
local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local excused = 0
if tonumber(ARGV[2]) < 0 or redis.call('EXISTS', KEYS[1]) == 1 then excused = math.abs(tonumber(ARGV[2])) end
local tried, wait = {}, 0
for i = 1, #KEYS - 1 do
  if i ~= excused then
    local at = 2 + (i - 1) * 5
    local free, first, factor = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    local longest, leak = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
    local found = redis.call('HMGET', KEYS[i + 1], 'tried', 'last')
    local last = tonumber(found[2] or now)
    tried[i] = math.max(0, tonumber(found[1] or 0) - math.max(0, now - last) / leak)
    if tried[i] > free - 1 + 1e-6 then
      local pause = math.min(longest, first * factor ^ math.max(0, math.floor(tried[i] - free + 0.5)))
      -- Either the pause is over, or so much is forgotten that a try is free again, whichever comes first.
      wait = math.max(wait, math.min(last + pause - now, (tried[i] - free + 1) * leak))
    end
  end
end
if wait > 0 then return math.ceil(wait) end
for i = 1, #KEYS - 1 do
  if i ~= excused then
    local at = 2 + (i - 1) * 5
    local lives = math.max((tried[i] + 1) * tonumber(ARGV[at + 5]), tonumber(ARGV[at + 4]))
    redis.call('HSET', KEYS[i + 1], 'tried', string.format('%.6f', tried[i] + 1), 'last', string.format('%.0f', now))
    redis.call('PEXPIRE', KEYS[i + 1], math.ceil(lives))
  end
end
return 0
"""

# KEYS as above. ARGV: the number of the meter to be forgotten wholly, or 0; for how many seconds the address is known,
# or 0. Every other meter gets one try back.
SETTLE = """
for i = 1, #KEYS - 1 do
  if i == tonumber(ARGV[1]) then
    redis.call('DEL', KEYS[i + 1])
  elseif tonumber(redis.call('HGET', KEYS[i + 1], 'tried') or 0) >= 1 then
    redis.call('HINCRBYFLOAT', KEYS[i + 1], 'tried', '-1')
  end
end
if tonumber(ARGV[2]) > 0 then redis.call('SET', KEYS[1], '1', 'EX', ARGV[2]) end
"""
