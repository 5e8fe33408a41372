-- The text and table functions of scripts: each call is cheap, or counted, and makes no text of more than `LONGEST` bytes.

local MOST_COMPARED = 1e9

local function text_of(value)
  local kind = real.type(value)
  if kind == "number" then return real.tostring(value) end
  if kind ~= "string" then real.error("a text was expected, not a " .. kind, 3) end
  return value
end

local function short(size)
  if size > LONGEST then real.error("it makes too long a text", 3) end
end

local checked = {}

function checked.rep(text, times, between)
  text, times = text_of(text), tonumber(times) or 0
  between = between == nil and "" or text_of(between)
  if times < 1 then return "" end
  short((#text + #between) * times)
  return real.rep(text, times, between)
end

function checked.format(form, ...)
  form = text_of(form)
  local size, values = #form, {...}
  for index = 1, select("#", ...) do
    local value = values[index]
    if real.type(value) == "table" then
      -- Its own `__tostring` makes a text of any length.
      value = tostring(value)
      values[index] = value
    end
    size = size + (real.type(value) == "string" and 4 * #value or 128)
  end
  short(size)
  return real.format(form, unpack(values, 1, select("#", ...)))
end

function checked.find(text, pattern, init, plain)
  text, pattern = text_of(text), text_of(pattern)
  if plain then
    if #text * #pattern > MOST_COMPARED then real.error("both texts are too long to look for one in the other", 2) end
    charge(#text * #pattern / 1000)
    return real.find(text, pattern, init, true)
  end
  if cost(text, pattern) <= CHEAP then return real.find(text, pattern, init) end
  local from, stop, found = searcher(text, pattern)(start(text, init))
  if not from then return nil end
  if found.count == 0 then return from, stop - 1 end
  return from, stop - 1, unpack(all_captured(text, found, from, stop))
end

function checked.match(text, pattern, init)
  text, pattern = text_of(text), text_of(pattern)
  if cost(text, pattern) <= CHEAP then return real.match(text, pattern, init) end
  local from, stop, found = searcher(text, pattern)(start(text, init))
  if not from then return nil end
  return unpack(all_captured(text, found, from, stop))
end

function checked.gmatch(text, pattern)
  text, pattern = text_of(text), text_of(pattern)
  if cost(text, pattern) <= CHEAP then return real.gmatch(text, pattern) end
  -- In `gmatch` a caret is a character like any other.
  local search, at = searcher(text, real.sub(pattern, 1, 1) == "^" and "%" .. pattern or pattern), 1
  return function()
    local from, stop, found = search(at)
    if not from then
      at = #text + 2
      return nil
    end
    at = stop > from and stop or from + 1
    return unpack(all_captured(text, found, from, stop))
  end
end

-- What a replacement text says for one match: `%0` to `%9` are captures.
local function filled(replacement, text, found, from, stop)
  return (real.gsub(replacement, "%%(.)", function(char)
    if char == "0" then return real.sub(text, from, stop - 1) end
    if real.find(char, "^%d") then return captured(text, found, tonumber(char), from, stop) end
    return char
  end))
end

local function replaced(replacement, text, found, from, stop)
  local kind, value = real.type(replacement), nil
  if kind == "string" then
    if real.find(replacement, "%", 1, true) then short(#replacement * (stop - from + 1)) end
    return filled(replacement, text, found, from, stop)
  end
  if kind == "table" then value = replacement[captured(text, found, 1, from, stop)] end
  if kind == "function" then value = replacement(unpack(all_captured(text, found, from, stop))) end
  if not value then return real.sub(text, from, stop - 1) end
  return text_of(value)
end

function checked.gsub(text, pattern, replacement, most)
  text, pattern = text_of(text), text_of(pattern)
  if real.type(replacement) == "number" then replacement = real.tostring(replacement) end
  local kind = real.type(replacement)
  if kind ~= "string" and kind ~= "table" and kind ~= "function" then real.error("a text, table or function was expected", 2) end
  local small = kind == "string" and (#text + 1) * (2 * #replacement + 1) <= LONGEST
  if small and cost(text, pattern) <= CHEAP then return real.gsub(text, pattern, replacement, most) end
  local search, anchored = searcher(text, pattern)
  local made, size, at, count = {}, 0, 1, 0
  local function add(piece)
    size = size + #piece
    short(size)
    made[#made + 1] = piece
  end
  most = tonumber(most) or #text + 1
  while count < most and at <= #text + 1 and not (anchored and at > 1) do
    local from, stop, found = search(at)
    if not from then break end
    count = count + 1
    add(real.sub(text, at, from - 1))
    add(replaced(replacement, text, found, from, stop))
    if stop == from then add(real.sub(text, from, from)) end
    at = stop > from and stop or from + 1
  end
  add(real.sub(text, at))
  return real.concat(made), count
end

function checked.concat(list, between, first, last)
  if real.type(list) ~= "table" then real.error("a table was expected", 2) end
  between, first, last = between == nil and "" or text_of(between), tonumber(first) or 1, tonumber(last) or #list
  local size = 0
  for index = first, last do
    size = size + #text_of(list[index]) + #between
    short(size)
  end
  return real.concat(list, between, first, last)
end

-- Comparisons in Lua, so that they count: an unlucky order takes very many.
function checked.sort(list, before)
  real.sort(list, before or function(a, b) return a < b end)
end

function checked.maxn(list)
  local most = 0
  for index in real.pairs(list) do
    if real.type(index) == "number" and index > most then most = index end
  end
  return most
end

-- Methods of texts come from this table, whatever the environment of a script says.
string.dump = nil
for _, name in ipairs({"rep", "format", "find", "match", "gmatch", "gsub"}) do string[name] = checked[name] end
for _, name in ipairs({"concat", "sort", "maxn"}) do table[name] = checked[name] end
