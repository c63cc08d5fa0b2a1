-- Replaces a record that is still as it was read, and moves it in the indexes of its bucket.
-- KEYS: record, by age, by end, by user, by client, by earlier client
-- ARGV: expected ('' for none), new, end in ms, end in s, place in the indexes ('' for a
--       revocation without session), entry in by end, earlier entry in by end, has a client
local there = redis.call('GET', KEYS[1])
if (there or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
if ARGV[5] == '' then return 1 end

redis.call('ZREM', KEYS[3], ARGV[7])
redis.call('ZREM', KEYS[6], ARGV[5])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[6])
redis.call('ZADD', KEYS[2], 0, ARGV[5])
redis.call('ZADD', KEYS[4], 0, ARGV[5])
if ARGV[8] == '1' then redis.call('ZADD', KEYS[5], 0, ARGV[5]) end
-- The sweeper has a day to find what has expired; after that the whole index is gone.
keep({ KEYS[2], KEYS[3], KEYS[4], KEYS[5] }, tonumber(ARGV[3]) + 86400000)
return 1
