-- JSON to XML and back (kapi.policies.traffic.xml); follows json.lua in one chunk. The filter context says what is done:
-- {request = "xml"|"json", response = "xml"|"json", root = NAME, most = BYTES}. Time is linear in the body and in what is made of it.

local LONGEST_NAME = 256
local MOST_VALUES = 100000
local TYPES = {xml = "application/xml; charset=utf-8", json = "application/json; charset=utf-8"}
local ENTITIES = {amp = "&", lt = "<", gt = ">", quot = '"', apos = "'"}
local ESCAPES = {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["\r"] = "&#13;"}

-- Each value of JSON, and each element and attribute of XML, needs about 500 bytes while a body is transformed.
local left

local function count_one()
  left = left - 1
  if left < 0 then error("it has more than " .. MOST_VALUES .. " values, elements and attributes", 0) end
end

-- JSON as a tree: texts for scalars, {members = {{name, value}, …}} in their order, {items = {…}}, json.null.
local tree_at

local function ordered_member(text, at, depth, out)
  local name, value
  name, at = member_name(text, at)
  value, at = tree_at(text, at, depth)
  out[#out + 1] = {name, value}
  return at
end

local function ordered_item(text, at, depth, out)
  out[#out + 1], at = tree_at(text, at, depth)
  return at
end

function tree_at(text, at, depth)
  if depth > DEEPEST then error("too deep", 0) end
  count_one()
  local char = text:sub(at, at)
  if char == "{" then
    local members, stop = parts_at(text, at + 1, depth + 1, "}", ordered_member, {})
    return {members = members}, stop
  end
  if char == "[" then
    local items, stop = parts_at(text, at + 1, depth + 1, "]", ordered_item, {})
    return {items = items}, stop
  end
  if char == '"' then return string_at(text, at + 1) end
  local word = text:match("^%a+", at)
  if word == "true" or word == "false" then return word, at + #word end
  if word == "null" then return json.null, at + 4 end
  local _, stop = number_at(text, at)
  return text:sub(at, stop - 1), stop
end

-- What may be made is bounded: a long name of an array is written once for each of its items.
local function writer(most)
  local parts, size = {}, 0
  local function put(text)
    size = size + #text
    if size > most then error("what is made of it is too long", 0) end
    parts[#parts + 1] = text
  end
  return put, parts
end

local function xml_text(text)
  return (utf8(text):gsub("[%z\1-\8\11\12\14-\31]", "\239\191\189"):gsub("\239\191[\190\191]", "\239\191\189"):gsub('[&<>"\r]', ESCAPES))
end

local function xml_name(name)
  if #name > LONGEST_NAME then error("a name is too long", 0) end
  name = name:gsub("[^%w_.-]", "_")
  return name:find("^[%a_]") and name or "_" .. name
end

local element

local function content(put, name, value)
  local attributes, seen, rest = {}, {}, {}
  for _, member in ipairs(value.members) do
    if member[1]:find("^@.") and type(member[2]) == "string" then
      local attribute = xml_name(member[1]:sub(2))
      if seen[attribute] then error("an attribute is there twice", 0) end
      seen[attribute] = true
      attributes[#attributes + 1] = " " .. attribute .. '="' .. xml_text(member[2]):gsub("[\t\n]", {["\t"] = "&#9;", ["\n"] = "&#10;"}) .. '"'
    else
      rest[#rest + 1] = member
    end
  end
  put("<" .. name .. table.concat(attributes) .. ">")
  for _, member in ipairs(rest) do
    if member[1] == "#text" and type(member[2]) == "string" then
      put(xml_text(member[2]))
    else
      element(put, xml_name(member[1]), member[2])
    end
  end
  put("</" .. name .. ">")
end

function element(put, name, value)
  if value == json.null then return put("<" .. name .. "/>") end
  if type(value) == "string" then return put("<" .. name .. ">" .. xml_text(value) .. "</" .. name .. ">") end
  if value.members then return content(put, name, value) end
  for _, item in ipairs(value.items) do
    if type(item) == "table" and item.items then
      put("<" .. name .. ">")
      element(put, "item", item)
      put("</" .. name .. ">")
    else
      element(put, name, item)
    end
  end
end

local function to_xml(text, of)
  local value, at = tree_at(text, blank(text, 1), 1)
  if blank(text, at) <= #text then error("something follows the value", 0) end
  local put, parts = writer(of.most)
  put('<?xml version="1.0" encoding="UTF-8"?>')
  if type(value) == "table" and value.items then
    put("<" .. of.root .. ">")
    element(put, "item", value)
    put("</" .. of.root .. ">")
  else
    element(put, of.root, value)
  end
  return table.concat(parts)
end

-- XML 1.0 without document types: no entities but the five, nothing is fetched.
local function reference(name)
  if ENTITIES[name] then return ENTITIES[name] end
  local code = tonumber(name:match("^#(%d+)$") or "", 10) or tonumber(name:match("^#x(%x+)$") or "", 16)
  if not code or #name > 9 or code > 0x10FFFF or (code >= 0xD800 and code <= 0xDFFF) then error("an unknown entity", 0) end
  if code < 32 and code ~= 9 and code ~= 10 and code ~= 13 then error("a character that XML does not have", 0) end
  return character(code)
end

local function plain(text)
  if not text:find("&", 1, true) then return text end
  local found = {}
  local at = 1
  while true do
    local start = text:find("&", at, true)
    if not start then break end
    local stop = text:find(";", start, true)
    if not stop or stop - start > 10 then error("an entity does not end", 0) end
    found[#found + 1] = text:sub(at, start - 1)
    found[#found + 1] = reference(text:sub(start + 1, stop - 1))
    at = stop + 1
  end
  found[#found + 1] = text:sub(at)
  return table.concat(found)
end

local NAME = "^[%a_\128-\255][%w_.:\128-\255-]*"

local function name_at(text, at)
  local name = text:match(NAME, at) or error("no name of an element or attribute at byte " .. at, 0)
  if #name > LONGEST_NAME then error("a name is too long", 0) end
  return name, at + #name
end

-- The node of a start tag, whether it is empty, and where it ends.
local function tag_at(text, at)
  count_one()
  local name
  name, at = name_at(text, at)
  local node = {name = name, attributes = {}, order = {}, children = {}, texts = {}}
  while true do
    local after = text:find("[^ \t\r\n]", at) or error("a tag does not end", 0)
    if text:sub(after, after) == ">" then return node, false, after + 1 end
    if text:sub(after, after + 1) == "/>" then return node, true, after + 2 end
    if after == at then error("a tag is not well-formed", 0) end
    local attribute
    count_one()
    attribute, at = name_at(text, after)
    at = blank(text, at)
    if text:sub(at, at) ~= "=" then error("an attribute without a value", 0) end
    at = blank(text, at + 1)
    local quote = text:sub(at, at)
    if quote ~= '"' and quote ~= "'" then error("an attribute without quotes", 0) end
    local stop = text:find(quote, at + 1, true) or error("an attribute does not end", 0)
    local value = text:sub(at + 1, stop - 1)
    if value:find("<", 1, true) or node.attributes[attribute] then error("an attribute is not well-formed", 0) end
    node.attributes[attribute] = true
    node.order[#node.order + 1] = {"@" .. attribute, {plain(value)}}
    at = stop + 1
  end
end

local function add_child(parent, node)
  local list = parent.children[node.name]
  if list then
    list[#list + 1] = node
  else
    list = {node}
    parent.children[node.name] = list
    parent.order[#parent.order + 1] = {node.name, list}
  end
end

-- After `<!` or `<?`: where the markup ends, and the text of a CDATA section.
local function markup_at(text, at)
  local start, close = "<?", "?>"
  if text:sub(at, at + 3) == "<!--" then
    start, close = "<!--", "-->"
  elseif text:sub(at, at + 8) == "<![CDATA[" then
    start, close = "<![CDATA[", "]]>"
  elseif text:sub(at, at + 1) == "<!" then
    error("document types are not taken", 0)
  end
  local first, last = text:find(close, at + #start, true)
  if not first then error("a comment or section does not end", 0) end
  return last + 1, start == "<![CDATA[" and text:sub(at + #start, first - 1) or nil
end

local function parsed(text)
  local stack, root, at = {}, nil, text:sub(1, 3) == "\239\187\191" and 4 or 1
  while at <= #text do
    local top, start = stack[#stack], text:find("<", at, true) or #text + 1
    local before = text:sub(at, start - 1)
    if top then
      top.texts[#top.texts + 1] = plain(before)
    elseif before:find("[^ \t\r\n]") then
      error("text outside of the root element", 0)
    end
    if start > #text then break end
    local after = text:sub(start + 1, start + 1)
    if after == "!" or after == "?" then
      local section
      at, section = markup_at(text, start)
      if section then
        if not top then error("text outside of the root element", 0) end
        top.texts[#top.texts + 1] = section
      end
    elseif after == "/" then
      local name
      name, at = name_at(text, start + 2)
      at = blank(text, at)
      if not top or name ~= top.name or text:sub(at, at) ~= ">" then error("an end tag without its start", 0) end
      stack[#stack], at = nil, at + 1
    else
      local node, empty
      node, empty, at = tag_at(text, start + 1)
      if top then add_child(top, node) elseif root then error("a second root element", 0) else root = node end
      if not empty then stack[#stack + 1] = node end
      if #stack > DEEPEST then error("too deep", 0) end
    end
  end
  if not root or #stack > 0 then error("an element does not end", 0) end
  return root
end

local json_value

local function json_members(put, node, text)
  put("{")
  for number, member in ipairs(node.order) do
    if number > 1 then put(",") end
    put(json.text(member[1]) .. ":")
    local list = member[2]
    if #list > 1 then put("[") end
    for index, item in ipairs(list) do
      if index > 1 then put(",") end
      json_value(put, item)
    end
    if #list > 1 then put("]") end
  end
  -- A pattern of blanks up to the end would be tried from each blank of a run.
  local trimmed = text:sub(blank(text, 1)):match("^.*[^ \t\r\n]")
  if trimmed then put((#node.order > 0 and "," or "") .. '"#text":' .. json.text(trimmed)) end
  put("}")
end

function json_value(put, node)
  if type(node) == "string" then return put(json.text(node)) end
  local text = table.concat(node.texts)
  if #node.order == 0 then return put(json.text(text)) end
  json_members(put, node, text)
end

local function to_json(text, of)
  local root = parsed(text)
  local put, parts = writer(of.most)
  put("{" .. json.text(root.name) .. ":")
  json_value(put, root)
  put("}")
  return table.concat(parts)
end

local MAKE = {xml = to_xml, json = to_json}
-- What is made of which types (RFC 6839): `x/xml`, `x/y+xml`.
local FROM = {xml = "json", json = "xml"}

local function is_of(headers, format)
  local kind = (headers:get("content-type") or ""):lower():match("^[^; ]*")
  if headers:get("content-encoding") then return false end
  return kind:sub(-#format - 1) == "/" .. format or kind:sub(-#format - 1) == "+" .. format
end

local function transform(handle, to, of)
  local body = handle:body(true)
  local length = body:length()
  if length == 0 then return end
  left = MOST_VALUES
  local made = MAKE[to](body:getBytes(0, length), of)
  local size = handle:body(true):setBytes(made)
  local headers = handle:headers()
  headers:replace("content-type", TYPES[to])
  headers:replace("content-length", tostring(size))
  headers:remove("etag")
  headers:remove("content-md5")
  headers:remove("digest")
end

local function context_of(handle)
  local given = handle:filterContext()
  return {root = given:get("root"), most = given:get("most"), request = given:get("request"), response = given:get("response")}
end

function envoy_on_request(handle)
  local of = context_of(handle)
  if not of.request or not is_of(handle:headers(), FROM[of.request]) then return end
  local ok, why = pcall(transform, handle, of.request, of)
  if ok then return end
  local body = '{"code":"400","message":"Bad Request","description":' .. json.text("The body cannot be transformed: " .. tostring(why)) .. "}"
  handle:respond({[":status"] = "400", ["content-type"] = "application/json; charset=UTF-8"}, body)
end

function envoy_on_response(handle)
  local of = context_of(handle)
  if not of.response or not is_of(handle:headers(), FROM[of.response]) then return end
  local ok, why = pcall(transform, handle, of.response, of)
  if ok then return end
  handle:logErr("xml, response flow: " .. tostring(why))
  handle:streamInfo():dynamicMetadata():set("kapi.reply", "code", "102500")
  -- Envoy drops a response without a status and answers for itself.
  handle:headers():remove(":status")
end
