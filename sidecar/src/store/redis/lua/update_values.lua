-- All changes if all conditions hold. KEYS: of the conditions, then of the changes.
-- ARGV: number of conditions; for each '!' (absent) or '=' and the value; for each change its
--       time to live in ms ('' to remove, 'keep' to replace what is there) and its value
local conditions = tonumber(ARGV[1])
for index = 1, conditions do
  local there = redis.call('GET', KEYS[index])
  local wanted = ARGV[1 + index]
  if wanted == '!' then
    if there then return 0 end
  elseif not there or '=' .. there ~= wanted then
    return 0
  end
end
local at = 2 + conditions
for index = conditions + 1, #KEYS do
  if ARGV[at] == '' then
    redis.call('DEL', KEYS[index])
  elseif ARGV[at] == 'keep' then
    redis.call('SET', KEYS[index], ARGV[at + 1], 'XX', 'KEEPTTL')
  else
    redis.call('SET', KEYS[index], ARGV[at + 1], 'PX', ARGV[at])
  end
  at = at + 2
end
return 1
