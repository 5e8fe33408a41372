-- Counts the calls of a batch in Redis, one after the other. Each call passes if all its limits have room, and counts against none
-- if one has not. Windows are those of the clock of Redis.
--
-- KEYS: the key of each question. ARGV: the number of nodes, the share of the rest that they may take ahead, and for each call the
-- number of its questions and their `unit, allowed, times, spent, ahead`. Returns the time in milliseconds, and for each call whether
-- it passes and of each question the permits that are given and the count with them.

local time = redis.call('TIME')
local now = tonumber(time[1])
local nodes, share = tonumber(ARGV[1]), tonumber(ARGV[2])
local result = {now * 1000 + math.floor(tonumber(time[2]) / 1000)}
local at_key, at = 1, 3

local function count(name, unit, amount)
  local used = redis.call('INCRBY', name, amount)
  if used == amount then
    redis.call('EXPIREAT', name, (math.floor(now / unit) + 1) * unit + 1)
  end
  return used
end

while at <= #ARGV do
  local number = tonumber(ARGV[at])
  at = at + 1
  local asked, planned, counted, passes = {}, {}, {}, 1
  for index = 1, number do
    local unit, allowed, times = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    local spent, ahead = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
    local name = KEYS[at_key] .. ':' .. unit .. ':' .. math.floor(now / unit)
    local used
    if spent > 0 then
      used = count(name, unit, spent)
    else
      used = tonumber(redis.call('GET', name) or 0)
    end
    planned[name] = (planned[name] or 0) + times
    if times > 0 and used + planned[name] > allowed then
      passes = 0
    end
    asked[index] = {name, unit, allowed, times, ahead, used}
    at, at_key = at + 5, at_key + 1
  end
  result[#result + 1] = passes
  for _, item in ipairs(asked) do
    local name, unit, allowed, times, ahead, used = unpack(item)
    local given = 0
    if passes == 1 and times > 0 then
      given = times
      if ahead == 1 then
        local rest = allowed - (counted[name] or used) - planned[name]
        given = times + math.max(0, math.floor(rest * share / nodes))
      end
      used = count(name, unit, given)
      counted[name] = used
      planned[name] = planned[name] - times
    end
    result[#result + 1] = given
    result[#result + 1] = used
  end
end
return result
