-- Takes a session out of the indexes of its bucket, if its time is over.
-- KEYS: by end, by age, by user, by client. ARGV: entry in by end, place in the others
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not ends or tonumber(ends) > tonumber(redis.call('TIME')[1]) then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
for index = 2, 4 do redis.call('ZREM', KEYS[index], ARGV[2]) end
return 1
