-- Adds earnings to their customers' windows, and returns what screening needs to know of them.
--
-- KEYS     a window per customer, a sorted set of transaction ids by event time in milliseconds.
--          Four members hold numbers instead, as scores below zero, beneath all times:
--            floor   from this time on, the window misses no earning
--            day     the latest UTC day with earnings, counted from 1970
--            points  all points of that day
--            limit   from so many points on, that day may deviate
-- ARGV[1]  the milliseconds after which an untouched window expires
-- ARGV[2]  per customer: { rapid count, window in milliseconds, earnings { at, id, points }, and for
--          a window that is to be created { floor, day, points, limit, { at, id, at, id … } } }; in
--          msgpack
-- Returns per customer, in msgpack: the fields of a Screening (domain/screening.py), or 0 where there
-- is no window, or none of that day: then nothing was added.

local MISSING = 0
local DAY = 86400000

local function number(score)
  return -tonumber(score)
end

local function screen(key, update)
  local count, window, earnings, contents = update[1], update[2], update[3], update[4]
  if contents then
    redis.call(
      'ZADD', key,
      -contents[1], 'floor', -contents[2], 'day', -contents[3], 'points', -contents[4], 'limit'
    )
    -- Times and ids in turn; Lua passes only so many values in one call.
    local members = contents[5]
    for start = 1, #members, 1000 do
      redis.call('ZADD', key, unpack(members, start, math.min(start + 999, #members)))
    end
  end
  local fields = redis.call('ZMSCORE', key, 'floor', 'day', 'points', 'limit')
  if not fields[1] then
    return MISSING
  end
  local floor, day = number(fields[1]), number(fields[2])
  local points, limit = number(fields[3]), number(fields[4])
  for _, earning in ipairs(earnings) do
    if math.floor(earning[1] / DAY) > day then
      -- The caller may do without a new window. This one must not serve earnings that come later.
      redis.call('DEL', key)
      return MISSING
    end
  end
  local is_late, densest, largest = false, 0, 0
  for _, earning in ipairs(earnings) do
    local at = earning[1]
    local is_new = redis.call('ZADD', key, at, earning[2]) == 1
    if math.floor(at / DAY) < day or at - window < floor then
      -- Later days were judged without it, or earnings around it may be missing here.
      is_late = true
    elseif is_new then
      points = points + earning[3]
      is_late = is_late or redis.call('ZCOUNT', key, at, '+inf') > 1
    end
    densest = math.max(densest, redis.call('ZCOUNT', key, math.max(at - window, 0), at + window))
    largest = math.max(largest, earning[3])
  end
  redis.call('ZADD', key, -points, 'points')
  -- A window is trimmed to its latest earnings, enough for any burst to show.
  local most = math.max(4 * count, 100)
  local size = redis.call('ZCARD', key) - 4
  if size > 2 * most then
    redis.call('ZREMRANGEBYRANK', key, 4, 3 + size - most)
    local first = redis.call('ZRANGE', key, 4, 4, 'WITHSCORES')
    redis.call('ZADD', key, -math.max(floor, tonumber(first[2]) + 1), 'floor')
  end
  redis.call('PEXPIRE', key, ARGV[1])
  -- Without a limit the last field is left out.
  return { is_late, densest, largest, points, limit < math.huge and limit or nil }
end

local screenings = {}
for place, update in ipairs(cmsgpack.unpack(ARGV[2])) do
  screenings[place] = screen(KEYS[place], update)
end
return cmsgpack.pack(screenings)
