"""What Redis does with a session in one step, as scripts that run inside it.

A session is a string: its version (8 characters, new at each write), the minute it was last seen (7 hexadecimal digits)
and its data as JSON. The sessions a user is signed in with are a hash beside it: handle and device. A handle is the key
of a session without PREFIX. A script names sessions it finds in the hash by itself, so all keys must lie on one server,
of Redis 6.2 or later.

What is short is so for a reason: Redis rounds up what it allocates. A session's key of up to 30 bytes takes 32, the key
of a list of up to 14 takes 16, and a list of one handle and one device of up to 17 takes 48.
"""

import hashlib

PREFIX = "session:"
HANDLE = 20  # characters
VERSION = 8  # characters
HEADER = VERSION + 7  # characters before the data

SCRIPTS: dict[str, str] = {}


def script(text: str) -> str:
    """Remember a script; its digest, by which Redis knows it."""
    for name, value in {"PREFIX": PREFIX, "HANDLE": HANDLE, "VERSION": VERSION, "HEADER": HEADER}.items():
        text = text.replace(f"{{{name}}}", str(value))
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    SCRIPTS[digest] = text
    return digest


def in_full(command: tuple) -> tuple:
    """The same call with the script's text in place of its digest."""
    return ("EVAL", SCRIPTS[command[1]], *command[2:])


# What versions of 2026 left: handles had 43 characters, of which now the first HANDLE are used, and lists another name.
# A session is moved when it is first asked for, and a list, with all its sessions, before it is read. This can go when
# the last session of theirs has run out, SESSION_COOKIE_AGE after they were replaced.
#
# KEYS: session, session under its former name. Returns the stored value.
ADOPT = script("""
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('RENAMENX', KEYS[2], KEYS[1]) end
return redis.call('GET', KEYS[1])
""")
ADOPT_ALL = """
local function adopt(index, former)
  local seconds = redis.call('TTL', former)
  if seconds < 0 then return end
  local entries = redis.call('HGETALL', former)
  for at = 1, #entries, 2 do
    local old, handle = '{PREFIX}' .. entries[at], string.sub(entries[at], 1, {HANDLE})
    if redis.call('EXISTS', old) == 1 then redis.call('RENAMENX', old, '{PREFIX}' .. handle) end
    redis.call('HSETNX', index, handle, entries[at + 1])
  end
  if redis.call('TTL', index) < seconds then redis.call('EXPIRE', index, seconds) end
  redis.call('DEL', former)
end
"""

# At a sign-in a few entries are looked at, and those whose session is gone are dropped. A few, so that an account with
# very many sessions costs no more; more than one, so that there are never many of them for long.
NOTE = """
local function note(index, handle, device, seconds)
  if redis.call('HSETNX', index, handle, device) == 1 then
    for _, other in ipairs(redis.call('HRANDFIELD', index, 20)) do
      if redis.call('EXISTS', '{PREFIX}' .. other) == 0 then redis.call('HDEL', index, other) end
    end
  end
  if redis.call('TTL', index) < tonumber(seconds) then redis.call('EXPIRE', index, seconds) end
end
"""

# KEYS: session, index of its user if it has one. ARGV: version that was loaded, or '' for any; value; seconds; handle;
# device. Returns 1 when written, 0 when there is no such session, the stored value when that is a newer one.
SAVE = script(
    NOTE
    + """
local stored = redis.call('GETRANGE', KEYS[1], 0, {VERSION} - 1)
if stored == '' then return 0 end
if stored ~= ARGV[1] and ARGV[1] ~= '' then
  -- Written by this very call, whose answer was lost.
  if stored == string.sub(ARGV[2], 1, {VERSION}) then return 1 end
  return redis.call('GET', KEYS[1])
end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
if KEYS[2] then note(KEYS[2], ARGV[4], ARGV[5], ARGV[3]) end
return 1
"""
)

# The same for a session that must be new: returns 1 when written, 0 when the key is taken.
CREATE = script(
    NOTE
    + """
if not redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3], 'NX') then
  if redis.call('GETRANGE', KEYS[1], 0, {VERSION} - 1) == string.sub(ARGV[2], 1, {VERSION}) then return 1 end
  return 0
end
if KEYS[2] then note(KEYS[2], ARGV[4], ARGV[5], ARGV[3]) end
return 1
"""
)

# Moves a session to a new key. KEYS: new key, old key, index if it has one; ARGV as above, then the old handle. Returns
# as SAVE does.
CYCLE = script(
    NOTE
    + """
local stored = redis.call('GETRANGE', KEYS[2], 0, {VERSION} - 1)
if stored == '' then
  if redis.call('GETRANGE', KEYS[1], 0, {VERSION} - 1) == string.sub(ARGV[2], 1, {VERSION}) then return 1 end
  return 0
end
if stored ~= ARGV[1] and ARGV[1] ~= '' then return redis.call('GET', KEYS[2]) end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('DEL', KEYS[2])
if KEYS[3] then
  redis.call('HDEL', KEYS[3], ARGV[6])
  note(KEYS[3], ARGV[4], ARGV[5], ARGV[3])
end
return 1
"""
)

# KEYS: session, session under its former name, index. ARGV: handle. Returns how many sessions there were.
END = script("""
redis.call('HDEL', KEYS[3], ARGV[1])
return redis.call('DEL', KEYS[1], KEYS[2])
""")

# KEYS: session, index of its user. ARGV: the minute, handle, device. Returns 1 when it was written. The version stays:
# nobody's data has changed. The entry in the list is made again if Redis has evicted it.
SEEN = script(
    NOTE
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('SETRANGE', KEYS[1], {VERSION}, ARGV[1])
note(KEYS[2], ARGV[2], ARGV[3], redis.call('TTL', KEYS[1]))
return 1
"""
)

# KEYS: index, index under its former name. Returns handle, device, header and seconds to live of each session, one
# after the other.
LIST = script(
    ADOPT_ALL
    + """
adopt(KEYS[1], KEYS[2])
local found = {}
local entries = redis.call('HGETALL', KEYS[1])
for at = 1, #entries, 2 do
  local key = '{PREFIX}' .. entries[at]
  local header = redis.call('GETRANGE', key, 0, {HEADER} - 1)
  if header == '' then
    redis.call('HDEL', KEYS[1], entries[at])
  else
    for _, each in ipairs({entries[at], entries[at + 1], header, redis.call('TTL', key)}) do
      found[#found + 1] = each
    end
  end
end
return found
"""
)

# KEYS as above. ARGV: handle. Ends a session of this user, and none of anybody else. Returns how many were ended.
END_ONE = script(
    ADOPT_ALL
    + """
adopt(KEYS[1], KEYS[2])
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
return redis.call('DEL', '{PREFIX}' .. ARGV[1])
"""
)

# KEYS as above. ARGV: the handle to spare, or ''. Returns how many were ended.
END_ALL = script(
    ADOPT_ALL
    + """
adopt(KEYS[1], KEYS[2])
local ended = 0
for _, handle in ipairs(redis.call('HKEYS', KEYS[1])) do
  if handle ~= ARGV[1] then
    redis.call('HDEL', KEYS[1], handle)
    ended = ended + redis.call('DEL', '{PREFIX}' .. handle)
  end
end
return ended
"""
)
