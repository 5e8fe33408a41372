-- What an API key allows: which APIs, from where, until when. The same for JWT keys (verified claims) and opaque ones (our records).
local function groups(address)
  local made = {}
  if address:find(":", 1, true) then
    local head, tail = address:match("^(.-)::(.*)$")
    local function split(text, into)
      for part in text:gmatch("[^:]+") do
        local number = part:match("^%x%x?%x?%x?$") and tonumber(part, 16)
        if not number then return false end
        into[#into + 1] = number
      end
      return true
    end
    if not head then return split(address, made) and #made == 8 and made or nil end
    local last = {}
    if not split(head, made) or not split(tail, last) or #made + #last > 7 then return nil end
    for _ = 1, 8 - #made - #last do made[#made + 1] = 0 end
    for _, number in ipairs(last) do made[#made + 1] = number end
    return made
  end
  local a, b, c, d = address:match("^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
  if not a then return nil end
  a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  if a > 255 or b > 255 or c > 255 or d > 255 then return nil end
  return { a * 256 + b, c * 256 + d }
end

local function within(network, address)
  local base, bits = network:match("^([^/]+)/(%d+)$")
  local wanted, found = groups(base or network), groups(address)
  if not wanted or not found or #wanted ~= #found then return false end
  bits = tonumber(bits or #wanted * 16)
  for i = 1, #wanted do
    local left = math.max(0, math.min(16, bits - (i - 1) * 16))
    local step = 2 ^ (16 - left)
    if math.floor(wanted[i] / step) ~= math.floor(found[i] / step) then return false end
  end
  return true
end

local function any(list, matches)
  for item in list:gmatch("[^,]+") do
    local text = item:match("^%s*(.*%S)")
    if text and matches(text) then return true end
  end
  return false
end

-- Whether the whole text is this pattern, in which each star means any text. What comes before the last star is taken at its first place,
-- which is enough, so nothing is ever tried twice: no caller and no key can make this slow.
local function like(text, pattern)
  local first = pattern:find("*", 1, true)
  if not first then return text == pattern end
  if text:sub(1, first - 1) ~= pattern:sub(1, first - 1) then return false end
  local at = first
  local star = pattern:find("*", first + 1, true)
  while star do
    local part = pattern:sub(first + 1, star - 1)
    local found = text:find(part, at, true)
    if not found then return false end
    at, first = found + #part, star
    star = pattern:find("*", first + 1, true)
  end
  local rest = pattern:sub(first + 1)
  return #text - #rest + 1 >= at and text:sub(#text - #rest + 1) == rest
end

local LONGEST_REFERER = 4096

local function restricted(value)
  return value ~= nil and value ~= ""
end

-- Whether the key is for this API, and for callers from here. `context` says which API this is.
local function allows(handle, claims, context)
  if claims.organization ~= context:get("organization") then return false end
  local subscribed = false
  for _, api in ipairs(type(claims.subscribedAPIs) == "table" and claims.subscribedAPIs or {}) do
    if type(api) == "table" and (api.name == "*" or api.name == context:get("name"))
      and (api.version == "*" or api.version == context:get("version")) then
      subscribed = true
    end
  end
  if not subscribed then return false end
  if restricted(claims.permittedIP) then
    local address = handle:streamInfo():downstreamRemoteAddress()
    address = address:match("^%[(.*)%]:%d+$") or address:match("^(.*):%d+$") or address
    if type(claims.permittedIP) ~= "string" or not any(claims.permittedIP, function(item) return within(item, address) end) then
      return false
    end
  end
  if restricted(claims.permittedReferer) then
    local referer = handle:headers():get("referer") or ""
    -- A URI has no spaces (RFC 9110 section 10.1.3).
    if #referer > LONGEST_REFERER or referer:find(" ", 1, true) then return false end
    local function same(item) return like(referer, item) end
    if type(claims.permittedReferer) ~= "string" or not any(claims.permittedReferer, same) then return false end
  end
  return true
end

local FACTS = "kapi.caller"

-- Writes down whose key it is, for the filters that come after.
local function accept(handle, claims)
  local facts = handle:streamInfo():dynamicMetadata()
  local application = type(claims.application) == "table" and claims.application or {}
  facts:set(FACTS, "api_key", true)
  facts:set(FACTS, "key_id", tostring(claims.jti or ""))
  facts:set(FACTS, "key_issuer", tostring(claims.iss or ""))
  facts:set(FACTS, "key_expires", type(claims.exp) == "number" and string.format("%d", claims.exp) or "")
  facts:set(FACTS, "application_uuid", tostring(application.uuid or ""))
  facts:set(FACTS, "application_name", tostring(application.name or ""))
  facts:set(FACTS, "tier", tostring(application.tier or ""))
  facts:set(FACTS, "key_type", tostring(claims.keytype or ""))
end

local function refuse(handle, what)
  handle:streamInfo():dynamicMetadata():set(FACTS, what, true)
end
