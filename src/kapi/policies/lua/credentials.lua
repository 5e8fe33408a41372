-- Before the token filter: takes credentials out of the query and out of the list of WebSocket protocols, and checks opaque API keys against KEYS (id -> record with a digest).
local function decoded(text)
  return (text:gsub("%+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function from_query(headers, wanted)
  local path, query = headers:get(":path"):match("^([^?]*)%?(.*)$")
  local found, kept, changed = {}, {}, false
  if not query then return found end
  for pair in query:gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    local place = wanted[decoded(name)]
    if place and not found[place.name] and value ~= "" then found[place.name] = decoded(value) end
    if place and not place.keep then changed = true else kept[#kept + 1] = pair end
  end
  if changed then
    headers:replace(":path", #kept > 0 and path .. "?" .. table.concat(kept, "&") or path)
  end
  return found
end

local function move(headers, to, value)
  -- What cannot be a token must not become a header either.
  headers:replace(to, value:match("^[%w%-%._~+/=]+$") or "-")
end

-- RFC 6455 section 11.3.4: a list of names, in one header or in several. After a marker comes the credential; the backend gets neither.
local function from_protocols(handle, headers, markers)
  local given = headers:get("sec-websocket-protocol")
  local found, kept, marker = {}, {}, nil
  if not given then return found end
  for item in given:gmatch("[^,%s]+") do
    if marker then
      found[marker], marker = item, nil
    elseif markers[item] and not found[item] then
      marker = item
      handle:streamInfo():dynamicMetadata():set("kapi.caller", "protocol", item)
    else
      kept[#kept + 1] = item
    end
  end
  headers:remove("sec-websocket-protocol")
  if #kept > 0 then headers:add("sec-websocket-protocol", table.concat(kept, ", ")) end
  for name, to in pairs(markers) do
    if found[name] and to ~= "" then move(headers, to, found[name]) end
  end
  return found
end

local function opaque(handle, context, id, secret)
  local record = KEYS[id]
  if not record or sha256(secret) ~= record.digest or (record.exp and record.exp <= os.time()) then
    return refuse(handle, "bad_api_key")
  end
  local key_type = record.keytype
  if restricted(key_type) and key_type ~= context:get("key_type") then return refuse(handle, "bad_api_key") end
  if not allows(handle, record, context) then return refuse(handle, "forbidden_api_key") end
  accept(handle, record)
end

function envoy_on_request(handle)
  local context, headers = handle:filterContext(), handle:headers()
  local wanted = {}
  for _, place in ipairs(context:get("query") or {}) do wanted[place.name] = place end
  local found = next(wanted) and from_query(headers, wanted) or {}
  for name, value in pairs(found) do
    if wanted[name].to then move(headers, wanted[name].to, value) end
  end
  local markers = context:get("protocols")
  local offered = markers and from_protocols(handle, headers, markers) or {}
  if not context:get("api_key") then return end
  local value = context:get("key_header") and headers:get(context:get("key_header")) or found[context:get("key_query") or ""]
    or offered["kapi.apikey"]
  if not value then return end
  local id, secret = value:match("^kapi_(%x+)_([%w_-]+)$")
  if id then opaque(handle, context, id, secret) else move(headers, "x-kapi-key", value) end
end
