-- Requests with cookies of the gateway's own sessions: what follows does not see these (RFC 6265 §5.4).

function envoy_on_request(handle)
  local headers, kept, found = handle:headers(), {}, false
  for number = 0, headers:getNumValues("cookie") - 1 do
    for pair in headers:getAtIndex("cookie", number):gmatch("[^;]+") do
      local cookie = pair:match("^%s*(.-)%s*$")
      if cookie:find("__Host-gateway-", 1, true) == 1 then
        found = true
      elseif cookie ~= "" then
        kept[#kept + 1] = cookie
      end
    end
  end
  if not found then return end
  if #kept == 0 then
    headers:remove("cookie")
  else
    headers:replace("cookie", table.concat(kept, "; "))
  end
end
