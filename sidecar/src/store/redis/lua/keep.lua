-- Lets keys live at least until a time (ms since 1970). Nothing here lives for ever.
local function keep(keys, ends)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  for _, key in ipairs(keys) do
    local left = redis.call('PTTL', key)
    if left ~= -2 and (left == -1 or now + left < ends) then
      redis.call('PEXPIREAT', key, string.format('%.0f', math.min(ends, 9e15)))
    end
  end
end
