-- Adds earnings to their customers' windows, and tells whose must be looked at closely.
--
-- KEYS     a window per customer, a sorted set of transaction ids by event time in milliseconds.
--          Four members hold numbers instead, as scores below zero, beneath all times:
--            floor   from this time on, nothing is missing
--            day     the latest UTC day, counted from 1970
--            points  what was earned on it
--            limit   from so many points on, that day may deviate
-- ARGV[1]  the milliseconds that an untouched window lives
-- ARGV[2]  per customer: { rapid count, window in milliseconds, earnings { at, id, points }, and for
--          a window that is to be made { floor, day, points, limit, { at, id, at, id … } } }; in msgpack
-- Answers per customer: 0 nothing to see · 1 look closely · 2 there is no window, or none of that
-- day: nothing was added.

local NOTHING, LOOK, MISSING = 0, 1, 2
local DAY = 86400000

local function number(score)
  return -tonumber(score)
end

local function judge(key, asked)
  local count, window, earnings, made = asked[1], asked[2], asked[3], asked[4]
  if made and made ~= cmsgpack.null then
    redis.call('ZADD', key, -made[1], 'floor', -made[2], 'day', -made[3], 'points', -made[4], 'limit')
    -- Times and ids in turn; Lua passes only so many values at once.
    local known = made[5]
    for start = 1, #known, 1000 do
      redis.call('ZADD', key, unpack(known, start, math.min(start + 999, #known)))
    end
  end
  local held = redis.call('ZMSCORE', key, 'floor', 'day', 'points', 'limit')
  if not held[1] then
    return MISSING
  end
  local floor, day, points, limit = number(held[1]), number(held[2]), number(held[3]), number(held[4])
  for _, one in ipairs(earnings) do
    if math.floor(one[1] / DAY) > day then
      -- Whoever asks may do without another one: this must not be there for what comes later.
      redis.call('DEL', key)
      return MISSING
    end
  end
  local verdict = NOTHING
  for _, one in ipairs(earnings) do
    local at = one[1]
    local is_new = redis.call('ZADD', key, at, one[2]) == 1
    if math.floor(at / DAY) < day or at - window < floor then
      -- Later days are judged by this one, or something that belongs to it may be missing here.
      verdict = LOOK
    elseif is_new and redis.call('ZCOUNT', key, at, '+inf') > 1 then
      -- It came late: those after it were judged without it.
      points = points + one[3]
      verdict = LOOK
    elseif is_new then
      points = points + one[3]
    end
    if redis.call('ZCOUNT', key, math.max(at - window, 0), at + window) >= count then
      verdict = LOOK
    end
  end
  if points >= limit then
    verdict = LOOK
  end
  redis.call('ZADD', key, -points, 'points')
  -- No window grows for ever: the latest are kept, enough for any burst to show.
  local most = math.max(4 * count, 100)
  local size = redis.call('ZCARD', key) - 4
  if size > 2 * most then
    redis.call('ZREMRANGEBYRANK', key, 4, 3 + size - most)
    local first = redis.call('ZRANGE', key, 4, 4, 'WITHSCORES')
    redis.call('ZADD', key, -math.max(floor, tonumber(first[2]) + 1), 'floor')
  end
  redis.call('PEXPIRE', key, ARGV[1])
  return verdict
end

local verdicts = {}
for place, asked in ipairs(cmsgpack.unpack(ARGV[2])) do
  verdicts[place] = judge(KEYS[place], asked)
end
return verdicts
