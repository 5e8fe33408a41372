-- Interceptor services (APK's interceptor-service contract, v1): asks them over HTTP and does what they answer.
-- The route's filter context says which: {id, of = {request, response, hidden, credentials, invocation}}.
-- Whatever goes wrong ends in a JSON 500: a request whose interceptor cannot be asked goes nowhere.

local SHARED = "kapi.interceptor"
local MOST_CONTEXTS = 4096
-- Left to the gateway: framing, the address of the backend, and what our own filters tell one another.
local KEPT = {
  connection = true, ["content-length"] = true, expect = true, host = true, ["http2-settings"] = true, ["keep-alive"] = true,
  ["proxy-connection"] = true, te = true, trailer = true, ["transfer-encoding"] = true, upgrade = true,
}
local contexts, kept = {}, 0

local function context_of(handle)
  local given = handle:filterContext()
  local id = given:get("id")
  local known = contexts[id]
  if not known then
    if kept >= MOST_CONTEXTS then contexts, kept = {}, 0 end
    known = given:get("of")
    contexts[id], kept = known, kept + 1
  end
  return known
end

local function fail(code, why)
  error({code = code, why = why}, 0)
end

local function listed(names, name)
  for i = 1, #names do
    if names[i] == name then return true end
  end
  return false
end

local function headers_text(headers, hidden)
  local order, values = {}, {}
  for name, value in pairs(headers) do
    if values[name] then
      values[name] = values[name] .. "," .. value
    elseif name:sub(1, 7) ~= "x-kapi-" and not listed(hidden, name) then
      order[#order + 1], values[name] = name, value
    end
  end
  for i = 1, #order do order[i] = json.text(order[i]) .. ":" .. json.text(values[order[i]]) end
  return "{" .. table.concat(order, ",") .. "}"
end

local function credential(headers, kinds)
  for i = 1, #kinds do
    local kind, value = kinds[i], headers:get(kinds[i].header)
    value = value and value:match(kind.bearer and "^[Bb][Ee][Aa][Rr][Ee][Rr] +(%S+)$" or "^%S+$")
    if value then return kind.type, value end
  end
end

local function invocation_text(handle, headers, of)
  local info = handle:streamInfo()
  local parts = {
    of.invocation,
    '"requestId":' .. json.text(headers:get("x-request-id") or ""),
    '"protocol":' .. json.text(info:protocol() or ""),
    '"scheme":' .. json.text(headers:get(":scheme") or ""),
    '"method":' .. json.text(headers:get(":method") or ""),
    '"path":' .. json.text(headers:get(":path") or ""),
    '"source":' .. json.text(info:downstreamRemoteAddress() or ""),
  }
  local kind, token = credential(headers, of.credentials)
  if kind then
    parts[#parts + 1] = '"authenticationContext":{"tokenType":' .. json.text(kind) .. ',"token":' .. json.text(token)
      .. ',"keyType":' .. json.text(of.key_type) .. "}"
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local FIELDS = {
  directRespond = "boolean", responseCode = "number", dynamicEndpoint = "object", headersToAdd = "object", headersToReplace = "object",
  headersToRemove = "array", trailersToAdd = "object", trailersToReplace = "object", trailersToRemove = "array", body = "string",
  interceptorContext = "object", rateLimitKeys = "object", properties = "object",
}
local TEXTS = {"headersToAdd", "headersToReplace", "trailersToAdd", "trailersToReplace", "interceptorContext", "rateLimitKeys", "properties"}
local HEADERS = {headersToAdd = true, headersToReplace = true, trailersToAdd = true, trailersToReplace = true}

local function check_name(name)
  if type(name) ~= "string" or not name:find("^:?[%w!#$%%&'*+.^_`|~-]+$") then fail("103501", "it names a header that is none") end
end

local function kind_of(value)
  local kind = type(value)
  return kind ~= "table" and kind or getmetatable(value) == json.array and "array" or "object"
end

local function checked(reply)
  if kind_of(reply) ~= "object" or reply == json.null then fail("103501", "its answer is not a JSON object") end
  for name, kind in pairs(FIELDS) do
    if reply[name] == json.null then reply[name] = nil end
    if reply[name] ~= nil and kind_of(reply[name]) ~= kind then fail("103501", name .. " is of another type") end
  end
  for _, field in ipairs(TEXTS) do
    for name, value in pairs(reply[field] or {}) do
      if type(value) ~= "string" then fail("103501", field .. " must hold texts") end
      if HEADERS[field] then
        check_name(name)
        if value:find("[%z\1-\8\10-\31\127]") then fail("103501", field .. " has a control character") end
      end
    end
  end
  for _, field in ipairs({"headersToRemove", "trailersToRemove"}) do
    for _, name in pairs(reply[field] or {}) do check_name(name) end
  end
  local code = reply.responseCode
  if code and (code % 1 ~= 0 or code < 200 or code > 599) then fail("103501", "responseCode is not a status from 200 to 599") end
  if reply.body then reply.body = json.unbase64(reply.body) or fail("103501", "body is not base64") end
  return reply
end

local function ask(handle, service, parts)
  local head, text = handle:httpCall(service.cluster, {
    [":method"] = "POST", [":path"] = service.path, [":authority"] = service.authority,
    ["content-type"] = "application/json", accept = "application/json",
  }, "{" .. table.concat(parts, ",") .. "}", service.timeout)
  local status = head[":status"]
  if status == "204" then return nil end
  if status ~= "200" then fail("103500", "it answered " .. tostring(status)) end
  if not text or #text > service.reply_bytes then fail("103501", text and "its answer is too long" or "its answer is empty") end
  local ok, reply = pcall(json.decode, text)
  if not ok then fail("103501", "its answer is not JSON: " .. tostring(reply)) end
  return checked(reply)
end

local function free(name)
  name = name:lower()
  return not KEPT[name] and name:sub(1, 1) ~= ":" and name:sub(1, 7) ~= "x-kapi-" and name:sub(1, 8) ~= "x-envoy-"
end

local function change(map, remove, replace, add)
  for _, name in pairs(remove or {}) do
    if free(name) then map:remove(name) end
  end
  for name, value in pairs(replace or {}) do
    if free(name) then map:replace(name, value) end
  end
  for name, value in pairs(add or {}) do
    if free(name) then map:add(name, value) end
  end
end

local function set_body(handle, bytes)
  local length = handle:body(true):setBytes(bytes)
  handle:headers():replace("content-length", tostring(length))
end

-- Envoy's objects are void after each wait, so they are asked for anew.
local function apply(handle, service, reply, bodiless)
  if reply.body then
    if not service.body then fail("103501", "it answers with a body; set bodyEnabled") end
    if not bodiless then set_body(handle, reply.body) end
  end
  change(handle:headers(), reply.headersToRemove, reply.headersToReplace, reply.headersToAdd)
  if reply.trailersToAdd or reply.trailersToReplace or reply.trailersToRemove then
    if not service.trailers then fail("103501", "it answers with trailers; set trailersEnabled") end
    -- A message without trailers cannot be given any here.
    local trailers = handle:trailers()
    if trailers then change(trailers, reply.trailersToRemove, reply.trailersToReplace, reply.trailersToAdd) end
  end
end

-- The whole message must be here before the first service is asked: later Envoy has let it pass.
local function hold(handle, services)
  local body, trailers
  for i = 1, #services do body, trailers = body or services[i].body or services[i].trailers, trailers or services[i].trailers end
  if body then handle:body(true) end
  if trailers then handle:trailers() end
end

local function bytes_of(handle)
  local body = handle:body(true)
  local length = body:length()
  return length == 0 and "" or body:getBytes(0, length)
end

local function error_text(code)
  return '{"error_message":"Internal Server Error","code":"' .. code .. '","error_description":"Internal Server Error"}'
end

local function remember(handle, name, value)
  handle:streamInfo():dynamicMetadata():set(SHARED, name, value)
end

local function direct_respond(handle, reply)
  local headers = {}
  for _, field in ipairs({"headersToAdd", "headersToReplace"}) do
    for name, value in pairs(reply[field] or {}) do
      if free(name) then headers[name:lower()] = value end
    end
  end
  local body = reply.body or ""
  headers[":status"] = tostring(reply.responseCode or (body == "" and 204 or 200))
  remember(handle, "done", true)
  handle:respond(headers, body)
end

-- Flow: "request" or "response"; body and trailers of the message that flows.
local function message_parts(handle, service, flow, hidden, parts)
  if service.headers then parts[#parts + 1] = '"' .. flow .. 'Headers":' .. headers_text(handle:headers(), hidden) end
  if service.body then parts[#parts + 1] = '"' .. flow .. 'Body":"' .. handle:base64Escape(bytes_of(handle)) .. '"' end
  if service.trailers then
    local trailers = handle:trailers()
    parts[#parts + 1] = '"' .. flow .. 'Trailers":' .. (trailers and headers_text(trailers, {}) or "{}")
  end
end

local function percent(text)
  return (text:gsub("[^%w%-._~]", function(char) return string.format("%%%02X", char:byte()) end))
end

-- For the filter that counts by them; its contract is in policies/limits/limit_keys.py.
local function hand_over_keys(handle, keys)
  local pairs_of = {}
  for name, value in pairs(keys) do pairs_of[#pairs_of + 1] = percent(name) .. "=" .. percent(value) end
  table.sort(pairs_of)
  local before = handle:headers():get("x-kapi-limit-keys")
  local all = (before and before ~= "" and before .. "&" or "") .. table.concat(pairs_of, "&")
  if #all > 8192 then fail("103501", "rateLimitKeys are too long") end
  if all ~= "" then handle:headers():replace("x-kapi-limit-keys", all) end
end

-- The route is chosen anew; only the header tells it from the one before.
local function send_elsewhere(handle, of, endpoint)
  local name = endpoint.endpointName
  if name == nil or name == json.null or name == "" then return end
  local kind = of.endpoints[name]
  if not kind then fail("103501", "dynamicEndpoint names no endpoint of this operation") end
  if kind == "" then handle:headers():remove("x-kapi-endpoint") else handle:headers():replace("x-kapi-endpoint", kind) end
  handle:clearRouteCache()
end

local function on_request(handle)
  local of = context_of(handle)
  local invocation = of.invocation and invocation_text(handle, handle:headers(), of)
  hold(handle, of.request)
  for i = 1, #of.request do
    local service, parts = of.request[i], {}
    message_parts(handle, service, "request", of.hidden, parts)
    if service.context then parts[#parts + 1] = '"invocationContext":' .. invocation end
    local reply = ask(handle, service, parts)
    if reply then
      if reply.directRespond then return direct_respond(handle, reply) end
      apply(handle, service, reply, false)
      if reply.rateLimitKeys then hand_over_keys(handle, reply.rateLimitKeys) end
      if reply.dynamicEndpoint then send_elsewhere(handle, of, reply.dynamicEndpoint) end
      for name, value in pairs(reply.properties or {}) do
        handle:streamInfo():dynamicMetadata():set("kapi.properties", name, value)
      end
      if reply.interceptorContext then remember(handle, service.key, json.encode(reply.interceptorContext)) end
    end
  end
  if #of.response > 0 then
    if invocation then remember(handle, "invocation", invocation) end
    remember(handle, "method", handle:headers():get(":method"))
  end
end

local function without_body(status, method)
  return method == "HEAD" or status == "204" or status == "304"
end

local function on_response(handle, shared)
  local of = context_of(handle)
  hold(handle, of.response)
  for i = 1, #of.response do
    local service = of.response[i]
    local parts = {'"responseCode":' .. (handle:headers():get(":status") or "0")}
    message_parts(handle, service, "response", {}, parts)
    if shared[service.key] then parts[#parts + 1] = '"interceptorContext":' .. shared[service.key] end
    if service.context and shared.invocation then parts[#parts + 1] = '"invocationContext":' .. shared.invocation end
    local reply = ask(handle, service, parts)
    if reply then
      if reply.responseCode then handle:headers():replace(":status", tostring(reply.responseCode)) end
      apply(handle, service, reply, without_body(handle:headers():get(":status"), shared.method))
    end
  end
end

local function told(handle, flow, why)
  local code = type(why) == "table" and why.code or "103501"
  handle:logErr("interceptor, " .. flow .. " flow: " .. (type(why) == "table" and why.why or tostring(why)))
  return error_text(code)
end

function envoy_on_request(handle)
  local ok, why = pcall(on_request, handle)
  if ok then return end
  local text = told(handle, "request", why)
  remember(handle, "done", true)
  handle:respond({[":status"] = "500", ["content-type"] = "application/json; charset=UTF-8"}, text)
end

function envoy_on_response(handle)
  local shared = handle:streamInfo():dynamicMetadata():get(SHARED)
  -- Nothing is shared when the request was refused before it came here.
  if not shared or shared.done then return end
  local ok, why = pcall(on_response, handle, shared)
  if ok then return end
  told(handle, "response", why)
  handle:streamInfo():dynamicMetadata():set("kapi.reply", "code", type(why) == "table" and why.code or "103501")
  -- What the backend said must not leave: the interceptor may have been there to take it out. A response without a status
  -- makes Envoy drop it, body and all, and answer for itself; the listener's table turns that into the 500.
  handle:headers():remove(":status")
end
