-- Client certificates: which one came, and whether this API accepts it, pinned or by its authority. From the TLS connection, which proves
-- that the client has the key; from a header only where the settings trust who sets it. The enforcer judges (RFC 5280); its verdict is kept
-- by digest until it ends. The route's filter context: {set, question, cluster, path, timeout, header, fronts, undated}; `question` is the
-- beginning of what the enforcer is asked, `set` its digest.
local FACTS = "kapi.caller"
local MOST = 500
local LARGEST = 16384
local verdicts, many = {}, 0

local function ask(handle, context, sent, dates)
  local question = context:get("question") .. ',"dates":' .. tostring(dates) .. ',"certificate":' .. json.text(sent) .. "}"
  local head, text = handle:httpCall(context:get("cluster"), {
    [":method"] = "POST", [":path"] = context:get("path"), [":authority"] = "enforcer", ["content-type"] = "application/json",
  }, question, context:get("timeout"))
  local digest, word, till = (text or ""):match("^(%x+) (%a+) (%d+)$")
  if head[":status"] ~= "200" or not digest then error("the enforcer answered " .. tostring(head[":status"]), 0) end
  return {digest = digest, accepted = word == "accepted", till = tonumber(till), dated = dates}
end

local function verdict(handle, digest, sent, dates)
  local context = handle:filterContext()
  local key = digest .. context:get("set") .. (dates and "" or "!")
  local known = verdicts[key]
  if known and os.time() < known.till then return known end
  local made = ask(handle, context, sent, dates)
  if many >= MOST then verdicts, many = {}, 0 end
  verdicts[key], many = made, many + 1
  return made
end

local function from_connection(handle)
  local connection = handle:streamInfo():downstreamSslConnection()
  if not connection or not connection:peerCertificatePresented() then return nil end
  return verdict(handle, connection:sha256PeerCertificateDigest(), connection:urlEncodedPemEncodedPeerCertificate(), true)
end

-- What a trusted front sends, or nothing. The header is always removed.
local function from_front(handle, context)
  local header = context:get("header")
  if not header then return nil end
  local sent = handle:headers():get(header)
  if not sent then return nil end
  handle:headers():remove(header)
  local address = handle:streamInfo():downstreamDirectRemoteAddress()
  address = address:match("^%[(.*)%]:%d+$") or address:match("^(.*):%d+$") or address
  for _, network in ipairs(context:get("fronts") or {}) do
    if within(network, address) then return sent end
  end
end

local function judged(handle)
  local context = handle:filterContext()
  local sent = from_front(handle, context)
  -- A front with a certificate of its own speaks for the client that it names.
  if not sent then return from_connection(handle) end
  if #sent > LARGEST then return {digest = "", accepted = false} end
  return verdict(handle, sha256(sent), sent, not context:get("undated"))
end

function envoy_on_request(handle)
  local ok, found = pcall(judged, handle)
  if not ok then
    handle:logErr("client certificate: " .. tostring(found))
    handle:respond(
      {[":status"] = "500", ["content-type"] = "application/json; charset=UTF-8"},
      '{"error_message":"Unclassified Validation Failure","code":"102500","error_description":"Error during validating the request"}')
    return
  end
  if not found then return end
  local facts = handle:streamInfo():dynamicMetadata()
  facts:set(FACTS, found.accepted and "certificate" or "bad_certificate", true)
  if not found.accepted then return end
  facts:set(FACTS, "certificate_digest", found.digest)
  -- Ends a call that lasts (`wasm/admission/src/cut.rs`).
  if found.dated then facts:set(FACTS, "certificate_expires", string.format("%d", found.till)) end
end
