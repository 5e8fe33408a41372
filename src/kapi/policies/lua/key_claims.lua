-- After the token filter: whether a verified JWT API key may call this API from here.
function envoy_on_request(handle)
  local verified = handle:streamInfo():dynamicMetadata():get("envoy.filters.http.jwt_authn")
  local claims = verified and verified["api_key_payload"]
  if not claims then return end
  if claims.token_type ~= nil and claims.token_type ~= "apiKey" then return refuse(handle, "bad_api_key") end
  local context, kind = handle:filterContext(), claims.keytype
  if kind ~= nil and (type(kind) ~= "string" or kind:upper() ~= context:get("key_type")) then return refuse(handle, "bad_api_key") end
  if not allows(handle, claims, context) then return refuse(handle, "forbidden_api_key") end
  accept(handle, claims)
end
