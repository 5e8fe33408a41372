-- A WebAssembly module that changes a request header makes Envoy choose the route anew, after all checks of the first one were made.
-- This script is before the modules and again directly before the router: a call that would go elsewhere goes nowhere. What a
-- module writes into headers is not checked by Envoy (RFC 9110 section 5.5): a call with a line break in a header ends here as well, and
-- an answer leaves without that header.

local NAMESPACE = "kapi.guard"

-- The names of headers that would be two.
local function broken(headers)
  local found = {}
  -- To the end: while headers are gone through, they cannot be changed.
  for name, value in pairs(headers) do
    if value:find("[%z\r\n]") or name:find("[%z\1-\32\127]") then found[#found + 1] = name end
  end
  return found
end

local function fail(handle, why)
  handle:respond(
    {[":status"] = "500", ["content-type"] = "application/json; charset=UTF-8"},
    '{"error_message":"Internal Server Error","code":"901100","error_description":"' .. why .. '"}')
end

function envoy_on_request(handle)
  local info = handle:streamInfo()
  local metadata = info:dynamicMetadata()
  local kept = metadata:get(NAMESPACE)
  if not kept then return metadata:set(NAMESPACE, "route", info:routeName()) end
  if kept.route ~= info:routeName() then
    handle:logErr("a module would lead a call of " .. kept.route .. " elsewhere")
    return fail(handle, "A module of this API changed its route")
  end
  if #broken(handle:headers()) == 0 then return end
  handle:logErr("a module of " .. kept.route .. " would send a line break in a header")
  fail(handle, "A module of this API sent a line break in a header")
end

function envoy_on_response(handle)
  -- Not an error: the module would see that answer too, and do the same to it.
  for _, name in ipairs(broken(handle:headers())) do
    handle:logErr("a module would answer with a line break in a header")
    handle:headers():remove(name)
  end
end
