-- Right after the token filter, for the few tokens that need it: scopes in a claim of the issuer's own (SCOPES: issuer ->
-- for each claim the paths that its name may mean), and tokens that are bound to the client's certificate (RFC 8705 section 3.1).
local FACTS = "kapi.caller"
local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

local function base64url(hex)
  local bytes = {}
  for pair in hex:gmatch("%x%x") do bytes[#bytes + 1] = tonumber(pair, 16) end
  local made = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes[i], bytes[i + 1], bytes[i + 2]
    local number = a * 65536 + (b or 0) * 256 + (c or 0)
    for place = 3, (b and (c and 0 or 1) or 2), -1 do
      local digit = math.floor(number / 64 ^ place) % 64 + 1
      made[#made + 1] = ALPHABET:sub(digit, digit)
    end
  end
  return table.concat(made)
end

-- The first of the paths at which there is something.
local function find(claims, paths)
  for _, path in ipairs(paths) do
    local value = claims
    for _, part in ipairs(path) do value = type(value) == "table" and value[part] or nil end
    if value ~= nil then return value end
  end
end

local function own_scopes(claims, names)
  local list = {}
  for _, paths in ipairs(names) do
    local value = find(claims, paths)
    for _, item in ipairs(type(value) == "table" and value or { value }) do
      if type(item) == "string" then
        -- A text holds scopes side by side; an item of a list is one scope.
        if type(value) == "table" then list[#list + 1] = item else for word in item:gmatch("[^ ]+") do list[#list + 1] = word end end
      end
    end
  end
  return list
end

local function holds_certificate(handle, binding)
  local connection = handle:streamInfo():downstreamSslConnection()
  local digest = connection and connection:sha256PeerCertificateDigest() or ""
  return #digest == 64 and base64url(digest) == binding["x5t#S256"]
end

function envoy_on_request(handle)
  local verified = handle:streamInfo():dynamicMetadata():get("envoy.filters.http.jwt_authn")
  local claims = verified and verified["jwt_payload"]
  if not claims then return end
  local facts = handle:streamInfo():dynamicMetadata()
  local names = SCOPES[claims.iss]
  if names then
    facts:set(FACTS, "own_scopes", true)
    facts:set(FACTS, "scopes", own_scopes(claims, names))
  end
  if type(claims.cnf) == "table" and holds_certificate(handle, claims.cnf) then
    -- Every way in which a token is bound needs its proof; this one is proved by the connection, a key by dpop.lua.
    local alone = next(claims.cnf) == "x5t#S256" and next(claims.cnf, "x5t#S256") == nil
    facts:set(FACTS, alone and "proved" or "holds_certificate", true)
  end
end
