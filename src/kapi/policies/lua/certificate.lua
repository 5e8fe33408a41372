-- Client certificates (RFC 5280): which one came, whether it is good now, and whether this API accepts it, pinned or by its authority.
-- From the TLS connection, which proves that the client has the key; from a header only where the settings trust whoever sets it.
local DIGITS = {}
for i = 1, 64 do DIGITS[("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):byte(i)] = i - 1 end
local HASHES = {
  ["\42\134\72\134\247\13\1\1\11"] = "sha256", ["\42\134\72\134\247\13\1\1\12"] = "sha384", ["\42\134\72\134\247\13\1\1\13"] = "sha512",
  ["\42\134\72\206\61\4\3\2"] = "sha256", ["\42\134\72\206\61\4\3\3"] = "sha384", ["\42\134\72\206\61\4\3\4"] = "sha512",
}
local EXTENDED_USAGE, CLIENT_USE, ANY_USE = "\6\3\85\29\37", "\6\8\43\6\1\5\5\7\3\2", "\6\4\85\29\37\0"
local MOST = 500
local known, verified, many = {}, {}, 0

local function from_base64(text)
  local made, buffer, bits = {}, 0, 0
  for i = 1, #text do
    local digit = DIGITS[text:byte(i)]
    if digit then
      buffer, bits = buffer * 64 + digit, bits + 6
      if bits >= 8 then
        bits = bits - 8
        local step = 2 ^ bits
        made[#made + 1] = string.char(math.floor(buffer / step))
        buffer = buffer % step
      end
    end
  end
  return table.concat(made)
end

-- One DER value at `at`: its tag, where its content begins and ends, and what comes next. Errors end in the pcall below.
local function value(der, at)
  local tag, length = der:byte(at, at + 1)
  local first = at + 2
  if length >= 128 then
    local size = length - 128
    assert(size >= 1 and size <= 3)
    length = 0
    for i = first, first + size - 1 do length = length * 256 + der:byte(i) end
    first = first + size
  end
  assert(first + length - 1 <= #der)
  return tag, first, first + length - 1, first + length
end

local function seconds(der, at)
  local tag, first, last, after = value(der, at)
  local text = der:sub(first, last)
  local year, rest
  if tag == 0x17 then
    year, rest = text:match("^(%d%d)(%d+)Z$")
    year = tonumber(year) + (tonumber(year) < 50 and 2000 or 1900)
  else
    year, rest = text:match("^(%d%d%d%d)(%d+)Z$")
    year = tonumber(year)
  end
  local month, day, hour, minute, second = rest:match("^(%d%d)(%d%d)(%d%d)(%d%d)(%d%d)$")
  month, day = tonumber(month), tonumber(day)
  -- Days since 1970 in the Gregorian calendar.
  local y = month <= 2 and year - 1 or year
  local era = math.floor(y / 400)
  local in_era = y - era * 400
  local in_year = math.floor((153 * (month + (month > 2 and -3 or 9)) + 2) / 5) + day - 1
  local days = era * 146097 + in_era * 365 + math.floor(in_era / 4) - math.floor(in_era / 100) + in_year - 719468
  return days * 86400 + tonumber(hour) * 3600 + tonumber(minute) * 60 + tonumber(second), after
end

local function parsed(der)
  local _, inside = value(der, 1)
  local _, first, last, after = value(der, inside)
  local made = { signed = der:sub(inside, last) }
  local _, algorithm, _, signature = value(der, after)
  local _, oid, oid_end = value(der, algorithm)
  made.hash = HASHES[der:sub(oid, oid_end)]
  local _, bits, bits_end = value(der, signature)
  made.signature = der:sub(bits + 1, bits_end)
  local at = first
  if der:byte(at) == 0xa0 then _, _, _, at = value(der, at) end
  _, _, _, at = value(der, at)
  _, _, _, at = value(der, at)
  local issuer = at
  _, _, _, at = value(der, at)
  made.issuer = der:sub(issuer, at - 1)
  local _, validity = value(der, at)
  made.from, validity = seconds(der, validity)
  made.till = seconds(der, validity)
  made.for_clients = not made.signed:find(EXTENDED_USAGE, 1, true)
    or made.signed:find(CLIENT_USE, 1, true) ~= nil or made.signed:find(ANY_USE, 1, true) ~= nil
  return made
end

local function remember(digest, der)
  if known[digest] == nil then
    many = many + 1
    if many > MOST then known, verified, many = {}, {}, 1 end
    local good, made = pcall(parsed, der)
    known[digest] = good and made or false
  end
  return known[digest]
end

local function body(pem)
  return pem:match("%-%-%-%-%-BEGIN CERTIFICATE%-%-%-%-%-(.-)%-%-%-%-%-END CERTIFICATE%-%-%-%-%-")
end

local function unescaped(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- The client's certificate as (digest, record), or nothing.
local function from_connection(handle)
  local connection = handle:streamInfo():downstreamSslConnection()
  if not connection or not connection:peerCertificatePresented() then return nil end
  local digest = connection:sha256PeerCertificateDigest()
  if known[digest] ~= nil then return digest, known[digest] end
  local text = body(unescaped(connection:urlEncodedPemEncodedPeerCertificate()))
  return digest, text and remember(digest, from_base64(text)) or false
end

local function from_header(handle, name)
  local sent = handle:headers():get(name)
  if not sent or #sent > 16384 then return nil end
  local text = unescaped(sent)
  local der = from_base64((body(text) or text):gsub("%s", ""))
  local digest = sha256(der)
  return digest, remember(digest, der)
end

local function issued_by(handle, digest, record, authority)
  local key = authority.key
  local name = digest .. key
  if verified[name] == nil then
    local good = false
    if record.hash and record.issuer == from_base64(authority.subject) then
      local der = from_base64(key)
      local ok = handle:verifySignature(record.hash, handle:importPublicKey(der, #der):get(), record.signature, #record.signature, record.signed, #record.signed)
      good = ok == true
    end
    verified[name] = good
  end
  return verified[name]
end

local function accepted(handle, context, digest, record, now)
  for _, pinned in ipairs(context:get("pinned") or {}) do
    if pinned == digest then return true end
  end
  for _, authority in ipairs(context:get("authorities") or {}) do
    if record.for_clients and authority.till > now and issued_by(handle, digest, record, authority) then return true end
  end
  return false
end

function envoy_on_request(handle)
  local context = handle:filterContext()
  local facts = handle:streamInfo():dynamicMetadata()
  local digest, record = from_connection(handle)
  local header = context:get("header")
  if header then
    local address = handle:streamInfo():downstreamDirectRemoteAddress()
    address = address:match("^%[(.*)%]:%d+$") or address:match("^(.*):%d+$") or address
    local trusted = false
    for _, network in ipairs(context:get("fronts") or {}) do trusted = trusted or within(network, address) end
    -- A front with a certificate of its own speaks for the client that it names.
    if trusted and handle:headers():get(header) then digest, record = from_header(handle, header) end
    handle:headers():remove(header)
  end
  if not digest then return end
  local now = os.time()
  if record and record.from <= now and now < record.till and accepted(handle, context, digest, record, now) then
    facts:set("kapi.caller", "certificate", true)
    facts:set("kapi.caller", "certificate_digest", digest)
  else
    facts:set("kapi.caller", "bad_certificate", true)
  end
end
