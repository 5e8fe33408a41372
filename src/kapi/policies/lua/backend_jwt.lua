-- The backend JWT: made by the enforcer from the claims that jwt_authn has verified, kept here until shortly before it expires.
-- The route's filter context: {id, of = {header, secured, bearer, cluster, path, timeout, payloads, asking}}; `id` is the hash of `of`.
-- Where a token in Authorization is the only way in (`bearer`), that header is what a JWT is kept by: the token filter has verified it
-- for this very call, and the same token has the same claims. Elsewhere it is kept by the claims. A hit costs no call. Two generations bound the memory: when the young one is full, it becomes the old one.

local MOST_TOKENS = 10000
local MOST_CONTEXTS = 4096
local VERIFIED = "envoy.filters.http.jwt_authn"
local FACTS = "kapi.caller"
local young, old, count = {}, {}, 0
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
  return id, known
end

local function remember(key, entry)
  if count >= MOST_TOKENS / 2 then young, old, count = {}, young, 0 end
  young[key], count = entry, count + 1
end

local function verified_claims(handle, payloads)
  local verified = handle:streamInfo():dynamicMetadata():get(VERIFIED)
  for i = 1, verified and #payloads or 0 do
    if verified[payloads[i]] then return verified[payloads[i]] end
  end
  -- An opaque API key has no claims; whose it is, the filter that has checked it wrote down.
  local facts = handle:streamInfo():dynamicMetadata():get(FACTS)
  if facts and facts.api_key == true then
    return {application = {uuid = facts.application_uuid, name = facts.application_name, tier = facts.tier}}
  end
end

local function claims_text(handle, of)
  local claims = verified_claims(handle, of.payloads)
  return claims and json.encode(claims)
end

local function token_for(handle, of, claims)
  local head, text = handle:httpCall(of.cluster, {
    [":method"] = "POST", [":path"] = of.path, [":authority"] = "enforcer", ["content-type"] = "application/json",
  }, "{" .. of.asking .. ',"claims":' .. claims .. "}", of.timeout)
  local expires = tonumber(head["x-kapi-expires"])
  if head[":status"] ~= "200" or not text or not expires then error("the enforcer answered " .. tostring(head[":status"]), 0) end
  return {token = text, expires = expires}
end

local function on_request(handle)
  local id, of = context_of(handle)
  -- What the caller sent in this header is never passed on.
  handle:headers():remove(of.header)
  if not of.secured then return end
  local bearer = of.bearer and handle:headers():get("authorization")
  local key, claims = bearer and id .. bearer, nil
  if not key then
    claims = claims_text(handle, of)
    if not claims then return end
    key = id .. claims
  end
  local entry = young[key] or old[key]
  if not entry or entry.expires <= os.time() then
    claims = claims or claims_text(handle, of)
    if not claims then return end
    entry = token_for(handle, of, claims)
    remember(key, entry)
  end
  handle:headers():replace(of.header, entry.token)
end

function envoy_on_request(handle)
  local ok, why = pcall(on_request, handle)
  if ok then return end
  handle:logErr("backend JWT: " .. tostring(why))
  handle:respond(
    {[":status"] = "500", ["content-type"] = "application/json; charset=UTF-8"},
    '{"error_message":"Unclassified Validation Failure","code":"102500","error_description":"Error during validating the request"}')
end
