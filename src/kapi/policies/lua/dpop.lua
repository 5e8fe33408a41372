-- Whether the caller holds the key that the token is bound to (RFC 9449 section 7): the enforcer judges the proof, for each call anew.
-- The route's filter context: {mandatory, cluster, path, timeout, payload, other, realm, more, resource}. The required key is in the claims that
-- jwt_authn has verified. A bound token for which this script says nothing is refused by the next filter.

local VERIFIED = "envoy.filters.http.jwt_authn"
local FACTS = "kapi.caller"
local LARGEST_PROOF = 8192
local ADVICE = "Make sure you have provided the correct security credentials"

local function refuse(handle, error, why, nonce)
  local of = handle:filterContext()
  handle:respond({
    [":status"] = "401", ["content-type"] = "application/json; charset=UTF-8",
    ["www-authenticate"] = "DPoP " .. of:get("realm") .. ', error="' .. error .. '", ' .. of:get("more")
      .. ', resource_metadata="https://' .. handle:headers():get(":authority") .. of:get("resource") .. '"',
    ["dpop-nonce"] = nonce, ["access-control-expose-headers"] = nonce and "DPoP-Nonce, WWW-Authenticate",
  }, json.encode({error_message = "Invalid Credentials", code = "900901", error_description = "Invalid Credentials. " .. (why or ADVICE)}))
end

-- The key of a token that is bound to a key of this kind and, at most, to the certificate that the script before this one has seen.
local function bound_to(claims, facts)
  local binding = claims.cnf
  if type(binding) ~= "table" then return nil end
  for name in pairs(binding) do
    if name ~= "jkt" and not (name == "x5t#S256" and facts and facts.holds_certificate) then return nil end
  end
  return type(binding.jkt) == "string" and binding.jkt ~= "" and binding.jkt or nil
end

local function judge(handle, of, question)
  local head, text = handle:httpCall(of:get("cluster"), {
    [":method"] = "POST", [":path"] = of:get("path"), [":authority"] = "enforcer", ["content-type"] = "application/json",
  }, json.encode(question), of:get("timeout"))
  local status = head[":status"]
  -- Only a 200 of the enforcer counts: it repeats the key.
  if status == "200" and text == question.jkt then return true end
  if status == "401" then return false, text, head["dpop-nonce"] end
  error("the enforcer answered " .. tostring(status), 0)
end

-- Nothing when the next filters may go on, else the error, why, and a nonce for the next try.
local function fault(handle)
  local of = handle:filterContext()
  local verified = handle:streamInfo():dynamicMetadata():get(VERIFIED)
  local claims = verified and verified[of:get("payload")]
  -- A call without a token is judged by the filters after this one.
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
  local jkt = bound_to(claims, handle:streamInfo():dynamicMetadata():get(FACTS))
  if headers:getNumValues("authorization") ~= 1 or not token or (other and other ~= authorization) or not jkt then
    return "invalid_token"
  end
  local proof = headers:get("dpop")
  if headers:getNumValues("dpop") ~= 1 or #proof > LARGEST_PROOF then return "invalid_dpop_proof" end
  local good, why, nonce = judge(handle, of, {
    token = token, proof = proof, jkt = jkt,
    method = headers:get(":method"), host = headers:get(":authority"), path = headers:get(":path"),
  })
  if not good then return nonce and "use_dpop_nonce" or "invalid_dpop_proof", why, nonce end
  handle:streamInfo():dynamicMetadata():set(FACTS, "proved", true)
end

function envoy_on_request(handle)
  local ok, wrong, why, nonce = pcall(fault, handle)
  if ok and wrong then return refuse(handle, wrong, why, nonce) end
  if ok then return end
  handle:logErr("DPoP: " .. tostring(wrong))
  handle:respond(
    {[":status"] = "500", ["content-type"] = "application/json; charset=UTF-8"},
    '{"error_message":"Unclassified Validation Failure","code":"102500","error_description":"Error during validating the request"}')
end
