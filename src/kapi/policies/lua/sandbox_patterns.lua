-- Patterns (Lua 5.1 manual section 5.4.1) for the scripts of APIs. The library's own matcher tries again and again inside one call that no
-- hook sees, so it gets only what is surely cheap. The rest is matched here, where each step counts.

local CHEAP = 1000000
local MOST_CAPTURES = 32
local MOST_SETS = 100
local OPEN, POSITION = -1, -2

-- The most steps that the library may take: each repetition may try each place, from each start.
local function cost(text, pattern)
  local _, many = real.gsub(pattern, "[*+?-]", "")
  local _, balanced = real.gsub(pattern, "%%b", "")
  many = many + balanced
  -- A greedy repetition at the end has nothing after it that could fail.
  if many > 0 and real.find(pattern, "[*+]%)?$") then many = many - 1 end
  local starts = real.sub(pattern, 1, 1) == "^" and 0 or 1
  return (#text + 1) ^ (many + starts) * #pattern
end

-- The end of the class that begins at `at`: a character, `%x`, or a set.
local function class_end(pattern, at)
  local char = real.sub(pattern, at, at)
  if char == "%" then return at + 1 end
  if char ~= "[" then return at end
  at = at + 1
  if real.sub(pattern, at, at) == "^" then at = at + 1 end
  repeat
    local inner = real.sub(pattern, at, at)
    if inner == "" then real.error("malformed pattern (missing ']')", 0) end
    at = at + (inner == "%" and 2 or 1)
  until real.sub(pattern, at, at) == "]"
  return at
end

local sets, kept = {}, 0

-- Which bytes a class means.
local function set_of(class)
  if sets[class] then return sets[class] end
  local set = {}
  for code = 0, 255 do
    local char = real.char(code)
    set[code] = (#class == 1 and class ~= "." and char == class) or ((#class > 1 or class == ".") and real.find(char, "^" .. class) ~= nil)
  end
  if kept >= MOST_SETS then sets, kept = {}, 0 end
  sets[class], kept = set, kept + 1
  return set
end

local function escape_at(pattern, at)
  local after = real.sub(pattern, at + 1, at + 1)
  if after == "b" then
    if #pattern < at + 3 then real.error("unbalanced pattern", 0) end
    return {kind = "balance", first = real.byte(pattern, at + 2), last = real.byte(pattern, at + 3)}, at + 4
  end
  if after == "f" then
    local stop = class_end(pattern, at + 2)
    return {kind = "frontier", set = set_of(real.sub(pattern, at + 2, stop))}, stop + 1
  end
  if real.find(after, "^%d") then return {kind = "back", number = real.byte(after) - 48}, at + 2 end
  return nil
end

local function item_at(pattern, at)
  local char = real.sub(pattern, at, at)
  if char == "(" and real.sub(pattern, at + 1, at + 1) == ")" then return {kind = "position"}, at + 2 end
  if char == "(" then return {kind = "open"}, at + 1 end
  if char == ")" then return {kind = "close"}, at + 1 end
  if char == "$" and at == #pattern then return {kind = "end"}, at + 1 end
  if char == "%" then
    if at == #pattern then real.error("malformed pattern (ends with '%')", 0) end
    local item, after = escape_at(pattern, at)
    if item then return item, after end
  end
  local stop = class_end(pattern, at)
  local many = real.match(pattern, "^[*+?-]", stop + 1) or ""
  return {kind = "set", set = set_of(real.sub(pattern, at, stop)), many = many}, stop + 1 + #many
end

local function parsed(pattern)
  local items = {anchored = real.sub(pattern, 1, 1) == "^"}
  local at = items.anchored and 2 or 1
  while at <= #pattern do items[#items + 1], at = item_at(pattern, at) end
  return items
end

local function matcher(text, items)
  local found, go = {count = 0}, nil
  local function capture(at, index, size)
    found.count = found.count + 1
    if found.count > MOST_CAPTURES then real.error("too many captures", 0) end
    found[found.count] = {at = at, size = size}
    local stop = go(at, index + 1)
    if not stop then found.count = found.count - 1 end
    return stop
  end
  local function close(at, index)
    local level = found.count
    while level > 0 and found[level].size ~= OPEN do level = level - 1 end
    if level == 0 then real.error("invalid pattern capture", 0) end
    found[level].size = at - found[level].at
    local stop = go(at, index + 1)
    if not stop then found[level].size = OPEN end
    return stop
  end
  local function balance(at, item)
    if real.byte(text, at) ~= item.first then return nil end
    local depth = 1
    for place = at + 1, #text do
      worked(1)
      local code = real.byte(text, place)
      if code == item.last then depth = depth - 1 elseif code == item.first then depth = depth + 1 end
      if depth == 0 then return place + 1 end
    end
  end
  local function back(at, item)
    local known = found[item.number]
    if not known or item.number > found.count or known.size == OPEN then real.error("invalid capture index", 0) end
    if known.size == POSITION then return nil end
    local part = real.sub(text, known.at, known.at + known.size - 1)
    return real.sub(text, at, at + #part - 1) == part and at + #part or nil
  end
  local function longest(at, index, set, least)
    local stop = at
    while set[real.byte(text, stop)] do stop = stop + 1 end
    worked(stop - at)
    for place = stop, at + least, -1 do
      local after = go(place, index + 1)
      if after then return after end
    end
  end
  local function shortest(at, index, set)
    while true do
      worked(1)
      local after = go(at, index + 1)
      if after then return after end
      if not set[real.byte(text, at)] then return nil end
      at = at + 1
    end
  end
  local function set_at(at, index, item)
    local many = item.many
    if many == "*" then return longest(at, index, item.set, 0) end
    if many == "+" then return longest(at, index, item.set, 1) end
    if many == "-" then return shortest(at, index, item.set) end
    return item.set[real.byte(text, at)] and go(at + 1, index + 1) or go(at, index + 1)
  end
  local function step(at, item)
    if item.kind == "set" then return item.set[real.byte(text, at)] and at + 1 end
    if item.kind == "balance" then return balance(at, item) end
    if item.kind == "back" then return back(at, item) end
    if item.kind == "end" then return at == #text + 1 and at end
    return not item.set[real.byte(text, at - 1) or 0] and item.set[real.byte(text, at) or 0] and at
  end
  -- Where the match of the items from `index` that begins at `at` ends, or nothing.
  function go(at, index)
    while true do
      worked(1)
      local item = items[index]
      if not item then return at end
      local kind = item.kind
      if kind == "open" then return capture(at, index, OPEN) end
      if kind == "position" then return capture(at, index, POSITION) end
      if kind == "close" then return close(at, index) end
      if kind == "set" and item.many ~= "" then return set_at(at, index, item) end
      at = step(at, item)
      if not at then return nil end
      index = index + 1
    end
  end
  return function(at)
    found.count = 0
    return go(at, 1), found
  end
end

local function captured(text, found, number, from, stop)
  if number == 1 and found.count == 0 then return real.sub(text, from, stop - 1) end
  local known = found[number]
  if number > found.count or known.size == OPEN then real.error("invalid capture index", 0) end
  return known.size == POSITION and known.at or real.sub(text, known.at, known.at + known.size - 1)
end

local function all_captured(text, found, from, stop)
  local values = {}
  for number = 1, math.max(1, found.count) do values[number] = captured(text, found, number, from, stop) end
  return values
end

local function first_match(text, matched, init, last)
  for from = init, last do
    local stop, found = matched(from)
    if stop then return from, stop, found end
  end
end

-- Finds matches one after the other: where the next at `init` or later begins, where it ends, and its captures.
local function searcher(text, pattern)
  local items = quietly(parsed, pattern)
  local matched = matcher(text, items)
  return function(init)
    return quietly(first_match, text, matched, init, items.anchored and math.min(init, #text + 1) or #text + 1)
  end, items.anchored
end

local function start(text, init)
  init = tonumber(init) or 1
  if init < 0 then init = math.max(1, #text + init + 1) end
  return math.max(1, math.floor(init))
end
