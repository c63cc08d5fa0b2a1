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
for index = 1, math.min(#found, limit) do
  local subject = found[index]
  answer[#answer + 1] = subject
  answer[#answer + 1] = redis.call('ZSCORE', by_end, subject)
  answer[#answer + 1] = redis.call('HGET', issued, subject) or ''
end
return answer
