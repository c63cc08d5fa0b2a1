-- The requests of one load, for wrk. Its arguments are files with a token a line: those of users who
-- come again, in the order in which they come, and those that are each shown once.

local counter, fresh_every = 0, 20
local known, fresh, next_fresh = {}, {}, 1

local function requests(path)
  local found = {}
  for token in io.lines(path) do
    found[#found + 1] = wrk.format("GET", "/mcp", { Authorization = "Bearer " .. token })
  end
  return found
end

function init(arguments)
  known = requests(arguments[1])
  if arguments[2] then fresh = requests(arguments[2]) end
end

function request()
  counter = counter + 1
  if next_fresh <= #fresh and counter % fresh_every == 0 then
    next_fresh = next_fresh + 1
    return fresh[next_fresh - 1]
  end
  return known[counter % #known + 1]
end
