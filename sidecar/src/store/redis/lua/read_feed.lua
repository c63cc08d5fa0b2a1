-- ARGV: generation and sequence and as-of of the cursor ('' for none), limit, name for a new
-- feed, grace. Answers with {} if the cursor is no good, else generation, sequence, as-of, more,
-- and then subject, end and issued before of each entry.
redis.call('HSETNX', head, 'generation', ARGV[5])
drop_expired()
if redis.call('PTTL', head) < 6 * 86400000 then keep(KEYS, (now + 7 * 86400) * 1000) end

local generation = redis.call('HGET', head, 'generation')
local latest = tonumber(redis.call('HGET', head, 'count') or '0')
local after = 0
if ARGV[1] ~= '' then
  after = tonumber(ARGV[2])
  if ARGV[1] ~= generation or after > latest then return {} end
  local dropped = redis.call('ZRANGEBYSCORE', drops, '(' .. ARGV[2], '+inf', 'LIMIT', 0, 1)[1]
  if dropped and tonumber(dropped) > tonumber(ARGV[3]) then return {} end
end

local limit = tonumber(ARGV[4])
local found = redis.call('ZRANGEBYSCORE', log, '(' .. whole(after), '+inf', 'LIMIT', 0, limit + 1)
local more = #found > limit
local last = latest
if more then last = tonumber(redis.call('ZSCORE', log, found[limit])) end
local as_of = latest
if more then as_of = latest + tonumber(ARGV[6]) end
local answer = { generation, whole(last), whole(as_of), more and '1' or '0' }
-- One call for all entries and not two for each: a page of a thousand is read by every worker that
-- starts, and Redis does nothing else meanwhile.
local count = math.min(#found, limit)
if count > 0 then
  local ends = redis.call('ZMSCORE', by_end, unpack(found, 1, count))
  local issues = redis.call('HMGET', issued, unpack(found, 1, count))
  for index = 1, count do
    answer[#answer + 1] = found[index]
    answer[#answer + 1] = ends[index]
    answer[#answer + 1] = issues[index] or ''
  end
end
return answer
