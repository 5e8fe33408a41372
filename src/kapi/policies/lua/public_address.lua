-- Answers that name the backend: `Location` (RFC 9110 §10.2.2) and the path of cookies (RFC 6265 §5.2.4) get the public address instead.

-- What follows `base` in a path, or nothing when the path is not below it.
local function below(path, base)
  if path:sub(1, #base) ~= base then return nil end
  local rest = path:sub(#base + 1)
  return (rest == "" or rest:find("^[/?#]")) and rest or nil
end

-- The path of a URL that has one of the origins, or that has none: then it is a path of the backend's, too.
local function path_of(url, origins)
  if url:find("^/") and not url:find("^//") then return url, false end
  local small = url:lower()
  for _, origin in ipairs(origins) do
    if small:sub(1, #origin) == origin and (#url == #origin or small:find("^[/?#]", #origin + 1)) then
      return url:sub(#origin + 1), true
    end
  end
end

local function public_path(path, context)
  local base, prefix = context.base, context.prefix
  if base == prefix then return path end
  local rest = below(path, base)
  return rest and prefix .. rest
end

local function public_url(url, context)
  local path, whole = path_of(url, context.origins)
  if not path then return nil end
  -- A backend that knows its public path by `X-Forwarded-Prefix` has written it already.
  if not whole and below(path, context.prefix) then return nil end
  local public = public_path(path, context)
  if not public or not whole then return public end
  -- Without the origin, two slashes would begin the name of another host (RFC 3986 §4.2).
  if context.public == "" and (public == "" or public:find("^//")) then return "/." .. public end
  return context.public .. public
end

local function public_cookie(cookie, context)
  -- A browser takes a cookie of this name only with the path `/`.
  if cookie:find("^%s*__Host%-") then return cookie end
  return (cookie:gsub("(;%s*[Pp][Aa][Tt][Hh]%s*=%s*)([^;]*)", function(name, path)
    local bare = path:match("^.*%S") or ""
    if below(bare, context.prefix) then return nil end
    if bare == "/" then return name .. context.prefix end
    local public = bare:find("^/") and public_path(bare, context)
    return public and name .. public
  end))
end

local function public_cookies(headers, context)
  local cookies, changed = {}, false
  for index = 1, headers:getNumValues("set-cookie") do
    local cookie = headers:getAtIndex("set-cookie", index - 1)
    cookies[index] = public_cookie(cookie, context)
    changed = changed or cookies[index] ~= cookie
  end
  if not changed then return end
  headers:remove("set-cookie")
  for _, cookie in ipairs(cookies) do headers:add("set-cookie", cookie) end
end

-- Origins with a blank between them, base path of the backend, public one, public origin; tabs between these.
local function context_of(place)
  local origins, base, prefix, public = place:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)$")
  local context = { origins = {}, base = base, prefix = prefix, public = public }
  for origin in origins:gmatch("[^ ]+") do context.origins[#context.origins + 1] = origin end
  return context
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local location = headers:get("location")
  local has_cookie = headers:get("set-cookie")
  if not location and not has_cookie then return end
  local place = handle:metadata():get("place")
  if not place then return end
  local context = context_of(place)
  local url = location and public_url(location, context)
  if url then headers:replace("location", url) end
  if has_cookie then public_cookies(headers, context) end
end
