-- ARGV: subject, end in s, issued before in s ('' for a session), name for a new feed
local earlier = redis.call('ZSCORE', by_end, ARGV[1])
local ends = math.max(tonumber(ARGV[2]), tonumber(earlier or '0'))
redis.call('HSETNX', head, 'generation', ARGV[4])
redis.call('ZADD', log, count(), ARGV[1])
redis.call('ZADD', by_end, whole(ends), ARGV[1])
-- Of two revocations that cross on their way here the later second counts.
if ARGV[3] ~= '' then
  local barred = tonumber(redis.call('HGET', issued, ARGV[1]) or '0')
  redis.call('HSET', issued, ARGV[1], whole(math.max(barred, tonumber(ARGV[3]))))
end
keep(KEYS, math.max(ends, now + 7 * 86400) * 1000 + 86400000)
return 1
