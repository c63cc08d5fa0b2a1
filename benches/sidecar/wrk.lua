-- Calls of the internal API, for wrk. Arguments: what is done, from which session on, how many there
-- are, the token. Sessions are numbered; those that are looked up are drawn at random.

local what, from, count, headers

local function id(nth) return string.format("s%021d", nth) end

function init(arguments)
  what, from, count = arguments[1], tonumber(arguments[2]), tonumber(arguments[3])
  from = from - 1  -- wrk looks at one request before it sends any
  headers = { Authorization = "Bearer " .. arguments[4], ["Content-Type"] = "application/json" }
end

function request()
  if what == "lookups" then
    return wrk.format("GET", "/v1/sessions/" .. id(math.random(0, count - 1)), headers)
  end
  local nth = from
  from = from + 1
  if what == "revocations" then return wrk.format("DELETE", "/v1/sessions/" .. id(nth), headers) end
  local body = string.format(
    '{"user_id":"user-%d-ed9fe0b2","issuer":"https://tenant.auth0.com/","subject":"auth0|%024d",'
      .. '"username":"user-%d@example.com","client_id":"vQ3mYx0JtKk1bD7eFz9hLq2sWc8uRn5p",'
      .. '"scopes":["mcp:read","mcp:write"],"expires_at":%d}',
    nth, nth, nth, os.time() + 86400)
  return wrk.format("PUT", "/v1/sessions/" .. id(nth), headers, body)
end

function done(summary, latency)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.write + summary.errors.timeout
  io.write(string.format("\n%d %d %d %d\n", summary.requests, bad, latency:percentile(50),
    latency:percentile(99)))
end
