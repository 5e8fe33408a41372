-- JSON (RFC 8259) and base64 (RFC 4648 section 4) for the scripts beside this file, which follow it in one chunk.
-- Both directions are strict; `decode` raises a text. LuaJIT's buffers keep large bodies off the garbage collector.

local ffi = require("ffi")
local bit = require("bit")

local json = {null = {}, array = {}}
local DEEPEST = 64
local SHORT = {['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t"}
local LONG = {['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t"}

local function escaped(char)
  return SHORT[char] or string.format("\\u%04x", char:byte())
end

-- Length of the UTF-8 sequence that starts here, 0 when it is none (RFC 3629 section 4).
local function sequence(text, at)
  local first, second = text:byte(at, at + 1)
  if first < 0x80 then return 1 end
  local length = first >= 0xC2 and first <= 0xDF and 2 or first >= 0xE0 and first <= 0xEF and 3 or first >= 0xF0 and first <= 0xF4 and 4 or 0
  if length == 0 or #text < at + length - 1 then return 0 end
  local least = first == 0xE0 and 0xA0 or first == 0xF0 and 0x90 or 0x80
  local most = first == 0xED and 0x9F or first == 0xF4 and 0x8F or 0xBF
  if second < least or second > most then return 0 end
  for i = at + 2, at + length - 1 do
    local byte = text:byte(i)
    if byte < 0x80 or byte > 0xBF then return 0 end
  end
  return length
end

-- A header may hold any byte; JSON may not: bytes that are not UTF-8 become the replacement character.
local function utf8(text)
  if not text:find("[\128-\255]") then return text end
  local out, at = {}, 1
  while at <= #text do
    local length = sequence(text, at)
    out[#out + 1] = length == 0 and "\239\191\189" or text:sub(at, at + length - 1)
    at = at + math.max(length, 1)
  end
  return table.concat(out)
end

function json.text(text)
  -- Nearly every text needs no care.
  if not text:find('[%c"\\\127-\255]') then return '"' .. text .. '"' end
  return '"' .. utf8(text):gsub('[%c"\\\127]', escaped) .. '"'
end

-- Keys are sorted, so that equal values give equal texts. An empty table is an object.
function json.encode(value)
  local kind = type(value)
  if kind == "string" then return json.text(value) end
  if kind == "number" then
    if value ~= value or value == math.huge or value == -math.huge then return "null" end
    return value % 1 == 0 and math.abs(value) < 2 ^ 53 and string.format("%d", value) or string.format("%.17g", value)
  end
  if kind ~= "table" then return kind == "boolean" and tostring(value) or "null" end
  if value == json.null then return "null" end
  local out = {}
  if value[1] ~= nil or getmetatable(value) == json.array then
    for i = 1, #value do out[i] = json.encode(value[i]) end
    return "[" .. table.concat(out, ",") .. "]"
  end
  local names = {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names)
  for i = 1, #names do out[i] = json.text(names[i]) .. ":" .. json.encode(value[names[i]]) end
  return "{" .. table.concat(out, ",") .. "}"
end

local function character(code)
  if code < 0x80 then return string.char(code) end
  if code < 0x800 then return string.char(0xC0 + bit.rshift(code, 6), 0x80 + bit.band(code, 63)) end
  if code < 0x10000 then
    return string.char(0xE0 + bit.rshift(code, 12), 0x80 + bit.band(bit.rshift(code, 6), 63), 0x80 + bit.band(code, 63))
  end
  return string.char(
    0xF0 + bit.rshift(code, 18), 0x80 + bit.band(bit.rshift(code, 12), 63),
    0x80 + bit.band(bit.rshift(code, 6), 63), 0x80 + bit.band(code, 63))
end

local function unescaped(text, at)
  local char = text:sub(at, at)
  if char ~= "u" then return LONG[char] or error("bad escape", 0), at + 1 end
  local code = tonumber(text:match("^%x%x%x%x", at + 1) or error("bad escape", 0), 16)
  at = at + 5
  if code >= 0xD800 and code <= 0xDBFF then
    local low = tonumber(text:match("^\\u(%x%x%x%x)", at) or "0", 16)
    if low < 0xDC00 or low > 0xDFFF then return "\239\191\189", at end
    return character(0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00), at + 6
  end
  return code >= 0xDC00 and code <= 0xDFFF and "\239\191\189" or character(code), at
end

local function string_at(text, at)
  local out = {}
  while true do
    local stop = text:find('[%c"\\]', at) or error("a string does not end", 0)
    out[#out + 1] = text:sub(at, stop - 1)
    local char = text:sub(stop, stop)
    if char == '"' then return table.concat(out), stop + 1 end
    if char == "\127" then
      out[#out + 1], at = char, stop + 1
    elseif char == "\\" then
      out[#out + 1], at = unescaped(text, stop + 1)
    else
      error("a control character in a string", 0)
    end
  end
end

local value_at

local function number_at(text, at)
  local whole = text:match("^-?%d+", at)
  if not whole or whole:find("^-?0%d") then error("no JSON value at byte " .. at, 0) end
  local stop = at + #whole
  local fraction = text:match("^%.%d+", stop) or ""
  local exponent = text:match("^[eE][+-]?%d+", stop + #fraction) or ""
  return tonumber(whole .. fraction .. exponent), stop + #fraction + #exponent
end

local function blank(text, at)
  return text:find("[^ \t\r\n]", at) or #text + 1
end

-- The name of a member, and where its value begins.
local function member_name(text, at)
  if text:sub(at, at) ~= '"' then error("a member without a name", 0) end
  local name
  name, at = string_at(text, at + 1)
  at = blank(text, at)
  if text:sub(at, at) ~= ":" then error("a member without a value", 0) end
  return name, blank(text, at + 1)
end

-- What an array or object holds, up to `close`: `read` puts one part into `out` and answers where it ends.
local function parts_at(text, at, depth, close, read, out)
  at = blank(text, at)
  if text:sub(at, at) == close then return out, at + 1 end
  while true do
    at = blank(text, read(text, at, depth, out))
    local char = text:sub(at, at)
    if char == close then return out, at + 1 end
    if char ~= "," then error(close == "}" and "an object does not end" or "an array does not end", 0) end
    at = blank(text, at + 1)
  end
end

local function member_at(text, at, depth, out)
  local name
  name, at = member_name(text, at)
  out[name], at = value_at(text, at, depth)
  return at
end

local function item_at(text, at, depth, out)
  out[#out + 1], at = value_at(text, at, depth)
  return at
end

function value_at(text, at, depth)
  if depth > DEEPEST then error("too deep", 0) end
  local char = text:sub(at, at)
  if char == "{" then return parts_at(text, at + 1, depth + 1, "}", member_at, {}) end
  if char == "[" then return parts_at(text, at + 1, depth + 1, "]", item_at, setmetatable({}, json.array)) end
  if char == '"' then return string_at(text, at + 1) end
  local word = text:match("^%a+", at)
  if word == "true" then return true, at + 4 end
  if word == "false" then return false, at + 5 end
  if word == "null" then return json.null, at + 4 end
  return number_at(text, at)
end

function json.decode(text)
  local value, at = value_at(text, blank(text, 1), 1)
  if blank(text, at) <= #text then error("something follows the value", 0) end
  return value
end

local SIX = ffi.new("int8_t[256]")
ffi.fill(SIX, 256, 0xFF)
for i, char in ipairs({("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):byte(1, -1)}) do SIX[char] = i - 1 end

-- The bytes, or nil when the text is not padded base64.
function json.unbase64(text)
  if #text == 0 then return "" end
  if #text % 4 ~= 0 then return nil end
  local padding = text:sub(-2) == "==" and 2 or text:sub(-1) == "=" and 1 or 0
  local source, size = ffi.cast("const uint8_t *", text), #text
  local out, written = ffi.new("uint8_t[?]", size / 4 * 3), 0
  for i = 0, size - 4, 4 do
    local last = i == size - 4 and padding or 0
    local a, b = SIX[source[i]], SIX[source[i + 1]]
    local c, d = last == 2 and 0 or SIX[source[i + 2]], last > 0 and 0 or SIX[source[i + 3]]
    if a < 0 or b < 0 or c < 0 or d < 0 then return nil end
    local all = a * 262144 + b * 4096 + c * 64 + d
    out[written], out[written + 1], out[written + 2] = bit.rshift(all, 16), bit.band(bit.rshift(all, 8), 255), bit.band(all, 255)
    written = written + 3
  end
  return ffi.string(out, written - padding)
end
