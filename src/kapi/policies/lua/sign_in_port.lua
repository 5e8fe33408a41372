-- Redirects of the filter that signs browsers in: its URLs of this host lack the port, which the edge
-- has removed from the host of the request.

local function with_port(location, host, port)
  local own = "https://" .. host .. "/"
  if location:sub(1, #own) == own then
    return "https://" .. host .. ":" .. port .. location:sub(#own)
  end
  -- OpenID Connect RP-Initiated Logout 1.0 §2.
  local encoded = "post_logout_redirect_uri=https%3A%2F%2F" .. host
  local from, to = location:find(encoded .. "%2F", 1, true)
  if from then
    return location:sub(1, from - 1) .. encoded .. "%3A" .. port .. "%2F" .. location:sub(to + 1)
  end
end

function envoy_on_response(handle)
  local headers, place = handle:headers(), handle:metadata():get("place")
  local location = headers:get("location")
  if not location or not place then return end
  for _, host in ipairs(place.hosts) do
    local changed = with_port(location, host, place.port)
    if changed then
      headers:replace("location", changed)
      return
    end
  end
end
