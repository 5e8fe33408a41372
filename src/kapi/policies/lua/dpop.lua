-- Whether the caller holds the key that the token is bound to (RFC 9449 section 7): the enforcer judges the proof, for each call anew.
-- The route's filter context: {mandatory, cluster, path, timeout, payload, other}. Which key it must be stands in the claims that
-- jwt_authn has verified. A bound token for which this script says nothing is refused by the next filter.

local VERIFIED = "envoy.filters.http.jwt_authn"
local FACTS = "kapi.caller"
local LARGEST_PROOF = 8192
local ADVICE = "Make sure you have provided the correct security credentials"

local function refuse(handle, error, why)
  handle:respond({
    [":status"] = "401", ["content-type"] = "application/json; charset=UTF-8",
    ["www-authenticate"] = 'DPoP realm="kapi", error="' .. error .. '"',
  }, json.encode({error_message = "Invalid Credentials", code = "900901", error_description = "Invalid Credentials. " .. (why or ADVICE)}))
end

-- The key of a token that is bound to a key of this kind and to nothing else.
local function bound_to(claims)
  local binding = claims.cnf
  if type(binding) ~= "table" then return nil end
  for name in pairs(binding) do
    if name ~= "jkt" then return nil end
  end
  return type(binding.jkt) == "string" and binding.jkt ~= "" and binding.jkt or nil
end

local function judge(handle, of, question)
  local head, text = handle:httpCall(of:get("cluster"), {
    [":method"] = "POST", [":path"] = of:get("path"), [":authority"] = "enforcer", ["content-type"] = "application/json",
  }, json.encode(question), of:get("timeout"))
  local status = head[":status"]
  -- Nobody else's 200 counts: the enforcer repeats the key.
  if status == "200" and text == question.jkt then return true end
  if status == "401" then return false, text end
  error("the enforcer answered " .. tostring(status), 0)
end

-- Nothing when the next filters may go on, else the error and why.
local function fault(handle)
  local of = handle:filterContext()
  local verified = handle:streamInfo():dynamicMetadata():get(VERIFIED)
  local claims = verified and verified[of:get("payload")]
  -- Whoever came without a token is judged by the filters after this one.
  if not claims then return end
  local headers = handle:headers()
  local authorization = headers:get("authorization") or ""
  local lower = authorization:lower()
  -- The token filter looks for a scheme anywhere in the header, so this must as well.
  if not lower:find("dpop ", 1, true) then
    if of:get("mandatory") and lower:find("bearer ", 1, true) then return "invalid_token" end
    return
  end
  local token, other = authorization:match("^[Dd][Pp][Oo][Pp] ([%w%-%._~+/]+=*)$"), headers:get(of:get("other"))
  local jkt = bound_to(claims)
  if headers:getNumValues("authorization") ~= 1 or not token or (other and other ~= authorization) or not jkt then
    return "invalid_token"
  end
  local proof = headers:get("dpop")
  if headers:getNumValues("dpop") ~= 1 or #proof > LARGEST_PROOF then return "invalid_dpop_proof" end
  local good, why = judge(handle, of, {
    token = token, proof = proof, jkt = jkt,
    method = headers:get(":method"), host = headers:get(":authority"), path = headers:get(":path"),
  })
  if not good then return "invalid_dpop_proof", why end
  handle:streamInfo():dynamicMetadata():set(FACTS, "proved", true)
end

function envoy_on_request(handle)
  local ok, wrong, why = pcall(fault, handle)
  if ok and wrong then return refuse(handle, wrong, why) end
  if ok then return end
  handle:logErr("DPoP: " .. tostring(wrong))
  handle:respond(
    {[":status"] = "500", ["content-type"] = "application/json; charset=UTF-8"},
    '{"error_message":"Unclassified Validation Failure","code":"102500","error_description":"Error during validating the request"}')
end
