-- The revocation feed. KEYS of every script: head, log, by end, issued before, drops.
-- One counter numbers publications and drops. It follows the clock, so that numbers a failover
-- has lost are not given out a second time.
local head, log, by_end, issued, drops = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local time = redis.call('TIME')
local now = tonumber(time[1])

local function whole(number) return string.format('%.0f', number) end

local function count()
  local last = tonumber(redis.call('HGET', head, 'count') or '0')
  local number = math.max(last + 1, now * 1000000 + tonumber(time[2]))
  redis.call('HSET', head, 'count', whole(number))
  return whole(number)
end

-- Of the drops only those are kept that no later drop of a later entry covers: enough to tell
-- exactly whether an unread entry was dropped since a cursor was given out.
local function drop_expired()
  for _, subject in ipairs(redis.call('ZRANGEBYSCORE', by_end, '-inf', now)) do
    local sequence = redis.call('ZSCORE', log, subject)
    redis.call('ZREM', log, subject)
    redis.call('ZREM', by_end, subject)
    redis.call('HDEL', issued, subject)
    if sequence then
      redis.call('ZREMRANGEBYSCORE', drops, '-inf', sequence)
      redis.call('ZADD', drops, sequence, count())
    end
  end
end
