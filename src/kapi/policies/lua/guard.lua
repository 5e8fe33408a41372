-- A WebAssembly module that changes a request header makes Envoy choose the route anew, after all checks of the first one were made.
-- This script stands before the modules and, once more, right before the router: a call that would go elsewhere goes nowhere.

local NAMESPACE = "kapi.guard"

function envoy_on_request(handle)
  local info = handle:streamInfo()
  local metadata = info:dynamicMetadata()
  local kept = metadata:get(NAMESPACE)
  if not kept then return metadata:set(NAMESPACE, "route", info:routeName()) end
  if kept.route == info:routeName() then return end
  handle:logErr("a module would lead a call of " .. kept.route .. " elsewhere")
  handle:respond(
    {[":status"] = "500", ["content-type"] = "application/json; charset=UTF-8"},
    '{"error_message":"Internal Server Error","code":"901100","error_description":"A module of this API changed its route"}')
end
