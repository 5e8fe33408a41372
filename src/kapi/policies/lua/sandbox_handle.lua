-- What a script gets of Envoy: each method by name, with its arguments checked before Envoy sees them. What is not in a table here does not
-- exist for a script. Envoy's own objects never reach one: it gets stand-ins, and `objects` knows whose.

local MOST_HEADER = 64 * 1024
local MOST_GIVEN = 1024 * 1024
local MOST_LOGGED = 2048
local MOST_FIELDS = 64
local MOST_DEPTH = 16
local objects = setmetatable({}, {__mode = "k"})

-- Made by the gateway itself: how long a message is, whom it is for, what happens to the connection.
local KEPT = {
  connection = true, ["content-length"] = true, expect = true, host = true, ["http2-settings"] = true, ["keep-alive"] = true,
  ["proxy-connection"] = true, te = true, trailer = true, ["transfer-encoding"] = true, upgrade = true,
}
local PSEUDO = {
  [":path"] = "^/[\33-\126\128-\255]*$", [":method"] = "^[%w!#$%%&'*+.^_`|~-]+$", [":scheme"] = "^https?$", [":status"] = "^[2-5]%d%d$",
  [":authority"] = "^[\33-\126]+$",
}
local DIGESTS = {sha1 = true, sha224 = true, sha256 = true, sha384 = true, sha512 = true}

local function fault(why)
  real.error(why, 3)
end

-- A stand-in for an object of Envoy's that has these methods and nothing else.
local function kind_of(methods, pairs_of)
  local meta = {
    __index = function(_, name)
      return methods[name] or real.error(real.tostring(real.type(name) == "string" and name or "this") .. " is not open to scripts", 2)
    end,
    __newindex = function() real.error("this cannot be changed", 2) end,
    __metatable = false,
    __pairs = pairs_of,
  }
  return function(object)
    if object == nil then return nil end
    local made = real.setmetatable({}, meta)
    objects[made] = object
    return made
  end
end

local function of(self)
  return objects[self] or real.error("call it with a colon, on what the handle gave", 3)
end

local function text(value, most, what)
  local kind = real.type(value)
  if kind == "number" then value = real.tostring(value) elseif kind ~= "string" then real.error(what .. " must be a text", 3) end
  if #value > most then real.error(what .. " is too long", 3) end
  return value
end

local function whole(value, least, most, what)
  local number = tonumber(value)
  if not number or number ~= math.floor(number) or number < least or number > most then
    real.error(what .. " must be a whole number from " .. least .. " to " .. most, 3)
  end
  return number
end

-- What a run leaves in Envoy's own memory, which no limit of LuaJIT sees.
local function give(size)
  run_now.given = (run_now.given or 0) + size + 256
  if run_now.given > MOST_GIVEN + LONGEST then stop(TOO_LARGE) end
end

local function name_of(value)
  value = text(value, 256, "the name of a header")
  if not real.find(value, "^:?[%w!#$%%&'*+.^_`|~-]+$") then real.error("that is not the name of a header", 3) end
  return value
end

local function value_of(name, value)
  value = text(value, MOST_HEADER, "the value of " .. name)
  if real.find(value, "[%z\1-\8\10-\31\127]") then real.error("the value of " .. name .. " has a line break or another control character", 3) end
  local form = PSEUDO[name:lower()]
  if form and not real.find(value, form) then real.error("this cannot be the value of " .. name, 3) end
  give(#name + #value)
  return value
end

local function settable(name)
  name = name_of(name)
  local lower = name:lower()
  if KEPT[lower] or (lower:sub(1, 1) == ":" and not PSEUDO[lower]) then real.error(name .. " is set by the gateway itself", 3) end
  return name
end

local function each(self)
  local following = real.pairs(of(self))
  return function() return following() end
end

local header_map = kind_of({
  get = function(self, name) return of(self):get(name_of(name)) end,
  getAtIndex = function(self, name, index) return of(self):getAtIndex(name_of(name), whole(index, 0, 10000, "the index")) end,
  getNumValues = function(self, name) return of(self):getNumValues(name_of(name)) end,
  add = function(self, name, value)
    name = settable(name)
    if name:sub(1, 1) == ":" then fault(name .. " can be replaced, not added") end
    of(self):add(name, value_of(name, value))
  end,
  replace = function(self, name, value)
    name = settable(name)
    of(self):replace(name, value_of(name, value))
  end,
  remove = function(self, name)
    name = name_of(name)
    if name:sub(1, 1) == ":" or name:lower() == "host" then fault(name .. " cannot be removed") end
    of(self):remove(name)
  end,
  setHttp1ReasonPhrase = function(self, phrase) of(self):setHttp1ReasonPhrase(value_of("reason", phrase)) end,
}, each)

local buffer = kind_of({
  length = function(self) return of(self):length() end,
  getBytes = function(self, index, size)
    local object = of(self)
    local most = object:length()
    index = whole(index, 0, most, "the index")
    size = whole(size, 0, math.min(most - index, LONGEST), "the length")
    return object:getBytes(index, size)
  end,
  setBytes = function(self, value)
    value = text(value, LONGEST, "the body")
    give(#value)
    return of(self):setBytes(value)
  end,
})

local map = kind_of({get = function(self, key) return of(self):get(text(key, 256, "the key")) end}, each)

-- A value for Envoy's metadata, as a copy that holds nothing but texts, numbers, switches and lists or tables of them.
local function plain(value, depth)
  local kind = real.type(value)
  if kind == "string" or kind == "number" or kind == "boolean" then
    give(kind == "string" and #value or 8)
    return value
  end
  if kind ~= "table" or depth > MOST_DEPTH then real.error("metadata holds texts, numbers, switches and tables of them", 0) end
  local made = {}
  for key, item in next, value do
    if real.type(key) == "string" then give(#key) elseif real.type(key) ~= "number" then real.error("a key must be a text or a number", 0) end
    made[key] = plain(item, depth + 1)
  end
  return made
end

-- Other filters, ours among them, tell one another things there: a script writes under names of its own.
local metadata_map = kind_of({
  get = function(self, namespace) return of(self):get(text(namespace, 256, "the name")) end,
  set = function(self, namespace, key, value)
    namespace, key = text(namespace, 256, "the name"), text(key, 256, "the key")
    if namespace:sub(1, 5) == "kapi." or namespace:sub(1, 6) == "envoy." then fault(namespace .. " is not open to scripts") end
    give(#namespace + #key)
    of(self):set(namespace, key, plain(value, 1))
  end,
}, each)

-- Methods that take nothing and tell something.
local function told(names)
  local methods = {}
  for _, name in ipairs(names) do
    methods[name] = function(self) return of(self)[name](of(self)) end
  end
  return methods
end

local stream_methods = told({
  "protocol", "routeName", "virtualClusterName", "requestedServerName", "downstreamLocalAddress", "downstreamRemoteAddress",
  "downstreamDirectRemoteAddress",
})
stream_methods.dynamicMetadata = function(self) return metadata_map(of(self):dynamicMetadata()) end
local stream_info = kind_of(stream_methods)

local tls = kind_of(told({
  "peerCertificatePresented", "peerCertificateValidated", "uriSanLocalCertificate", "sha256PeerCertificateDigest", "serialNumberPeerCertificate",
  "issuerPeerCertificate", "subjectPeerCertificate", "uriSanPeerCertificate", "subjectLocalCertificate", "dnsSansPeerCertificate",
  "dnsSansLocalCertificate", "validFromPeerCertificate", "expirationPeerCertificate", "sessionId", "ciphersuiteId", "ciphersuiteString",
  "tlsVersion", "urlEncodedPemEncodedPeerCertificate",
}))
local connection = kind_of({ssl = function(self) return tls(of(self):ssl()) end})

-- The object stays Envoy's: a script that kept its address could use it after its end.
local public_key
public_key = kind_of({get = function(self) return of(self) and self end})

local function signed(handle, hash, key, signature, signature_length, content, length)
  if not DIGESTS[hash] then fault("the digest must be sha1, sha224, sha256, sha384 or sha512") end
  local object = of(key)
  signature, content = text(signature, LONGEST, "the signature"), text(content, LONGEST, "the content")
  signature_length = signature_length == nil and #signature or whole(signature_length, 0, #signature, "the length of the signature")
  length = length == nil and #content or whole(length, 0, #content, "the length of the content")
  charge(100000)
  return of(handle):verifySignature(hash, object:get(), signature, signature_length, content, length)
end

local function answer_headers(given)
  if real.type(given) ~= "table" then real.error("the headers of an answer must be a table", 3) end
  local made, count = {}, 0
  for name, value in next, given do
    name = settable(name)
    if name:sub(1, 1) == ":" and name ~= ":status" then real.error(name .. " is not a header of an answer", 3) end
    local values = real.type(value) == "table" and value or {value}
    local list = {}
    for index = 1, #values do
      count = count + 1
      if count > MOST_FIELDS then real.error("an answer may have " .. MOST_FIELDS .. " headers", 3) end
      list[index] = value_of(name, values[index])
    end
    made[name] = real.type(value) == "table" and name ~= ":status" and list or list[1]
  end
  if not made[":status"] then real.error("an answer needs :status", 3) end
  return made
end

local SECRETS = {
  "eyJ[%w_-]+%.[%w_-]+%.?[%w_-]*", "[Bb][Ee][Aa][Rr][Ee][Rr]%s+%S+", "[Bb][Aa][Ss][Ii][Cc]%s+%S+", "[Dd][Pp][Oo][Pp]%s+%S+",
  "kapi_%x+_[%w_-]+",
}

-- One line without credentials: the log of a script is beside the log of all calls.
local function logged(value)
  value = real.sub(text(real.type(value) == "string" and value or tostring(value), LONGEST, "the line"), 1, MOST_LOGGED)
  value = real.gsub(value, "%c", " ")
  for _, secret in ipairs(SECRETS) do value = real.gsub(value, secret, "[removed]") end
  charge(20000)
  return value
end

local handle_methods = {
  headers = function(self) return header_map(of(self):headers()) end,
  trailers = function(self) return header_map(waiting(of(self), "trailers")) end,
  body = function(self, always)
    if always == nil then return buffer(waiting(of(self), "body")) end
    return buffer(waiting(of(self), "body", always == true))
  end,
  bodyChunks = function(self)
    local chunks = {following = of(self):bodyChunks()}
    function chunks.take() return chunks.following() end
    return function() return buffer(waiting(chunks, "take")) end
  end,
  metadata = function(self) return map(of(self):metadata()) end,
  streamInfo = function(self) return stream_info(of(self):streamInfo()) end,
  connection = function(self) return connection(of(self):connection()) end,
  respond = function(self, headers, body)
    local object, made = of(self), answer_headers(headers)
    body = body == nil and "" or text(body, LONGEST, "the body")
    give(#body)
    object:respond(made, body)
  end,
  base64Escape = function(self, value) return of(self):base64Escape(text(value, LONGEST, "the text")) end,
  timestamp = function(self) return of(self):timestamp() end,
  timestampString = function(self) return of(self):timestampString() end,
  importPublicKey = function(self, der, length)
    der = text(der, 16384, "the key")
    length = length == nil and #der or whole(length, 0, #der, "the length of the key")
    charge(20000)
    return public_key(of(self):importPublicKey(der, length))
  end,
  verifySignature = signed,
}
for _, name in ipairs({"logTrace", "logDebug", "logInfo", "logWarn", "logErr", "logCritical"}) do
  handle_methods[name] = function(self, value) of(self)[name](of(self), logged(value)) end
end

local stand_in = kind_of(handle_methods)

-- A message without an end, of a WebSocket or a stream of events, would be held until it is too large.
local endless_methods = {}
for name, method in pairs(handle_methods) do endless_methods[name] = method end
endless_methods.body = function() fault("a stream has no whole body; bodyChunks reads it as it passes") end
endless_methods.trailers = function() fault("a stream has no trailers") end
local endless_stand_in = kind_of(endless_methods)
