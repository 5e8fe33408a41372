-- Runs the scripts of an apk-conf. Each gets an environment of its own: no files, no processes, no loading of code, no calls of
-- other clusters, no change of route. `SCRIPTS` stands before this file: {{name, source}, …} in the order of the request.
-- A script that fails, or runs for too long, gives a 500; LuaJIT's compiler is off so that the counter sees every instruction.

jit.off()

local STEP = 10000
local MOST_STEPS = 1000
local MOST_TEXT = 1024 * 1024
local TOO_LONG = "it ran for too long"
local steps = 0
local real = {pcall = pcall, error = error, sethook = debug.sethook, load = loadstring, setfenv = setfenv, rep = string.rep, format = string.format}

real.sethook(function()
  steps = steps + 1
  if steps > MOST_STEPS then real.error(TOO_LONG, 0) end
end, "", STEP)

local function checked(ok, ...)
  -- A script must not survive its own end by catching it.
  if not ok and steps > MOST_STEPS then real.error(TOO_LONG, 0) end
  return ok, ...
end

string.dump = nil
string.rep = function(text, times, ...)
  if #tostring(text) * (tonumber(times) or 0) > MOST_TEXT then real.error("string.rep makes too long a text", 2) end
  return real.rep(text, times, ...)
end

local DENIED = {httpCall = true, clearRouteCache = true, setUpstreamOverrideHost = true, connectionStreamInfo = true}
local TOLD = {
  protocol = true, routeName = true, virtualClusterName = true, requestedServerName = true, downstreamLocalAddress = true,
  downstreamRemoteAddress = true, downstreamDirectRemoteAddress = true,
}

-- An object of Envoy's as a script sees it: `member` says what a name stands for.
local function shown(member)
  return setmetatable({}, {__index = member, __newindex = function() real.error("this cannot be changed", 2) end, __metatable = false})
end

local function forwarded(object, name)
  local method = object[name]
  if type(method) ~= "function" then return nil end
  return function(_, ...) return method(object, ...) end
end

-- Other filters, ours among them, tell one another things there: a script writes under names of its own.
local function metadata_of(info)
  return shown(function(_, name)
    if name == "get" then return function(_, ...) return info:dynamicMetadata():get(...) end end
    if name ~= "set" then return nil end
    return function(_, namespace, ...)
      namespace = tostring(namespace)
      if namespace:sub(1, 5) == "kapi." or namespace:sub(1, 6) == "envoy." then real.error(namespace .. " is not open to scripts", 2) end
      return info:dynamicMetadata():set(namespace, ...)
    end
  end)
end

local function info_of(handle)
  return shown(function(_, name)
    if name == "dynamicMetadata" then return function() return metadata_of(handle:streamInfo()) end end
    return TOLD[name] and forwarded(handle:streamInfo(), name) or nil
  end)
end

-- The handle as a script sees it. `respond` is there in the request flow only, as Envoy has it.
local function guarded(handle)
  return shown(function(_, name)
    if DENIED[name] then real.error(tostring(name) .. " is not open to scripts", 2) end
    if name == "streamInfo" then return function() return info_of(handle) end end
    return forwarded(handle, name)
  end)
end

local function copied(source, names)
  local out = {}
  for _, name in ipairs(names) do out[name] = source[name] end
  return out
end

local function environment()
  local env = copied(_G, {"assert", "error", "ipairs", "next", "pairs", "rawequal", "rawget", "rawset", "select", "tonumber", "tostring", "type", "unpack"})
  env.pcall = function(...) return checked(real.pcall(...)) end
  env.setmetatable = function(object, meta)
    if type(object) ~= "table" then real.error("setmetatable takes a table", 2) end
    return setmetatable(object, meta)
  end
  env.getmetatable = function(object) return type(object) == "table" and getmetatable(object) or nil end
  env.string = copied(string, {"byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse", "sub", "upper"})
  env.table = copied(table, {"concat", "insert", "maxn", "remove", "sort"})
  env.math = copied(math, {
    "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "deg", "exp", "floor", "fmod", "huge", "log", "log10", "max", "min", "modf",
    "pi", "pow", "rad", "random", "sin", "sqrt", "tan",
  })
  env.bit = copied(bit, {"arshift", "band", "bnot", "bor", "bswap", "bxor", "lshift", "rol", "ror", "rshift", "tobit", "tohex"})
  env.os = copied(os, {"clock", "date", "difftime", "time"})
  env._G = env
  return env
end

local SEEN = "kapi.lua"
local loaded, answers = {}, false
for index, script in ipairs(SCRIPTS) do
  local chunk, why = real.load(script.source, "=" .. script.name)
  if not chunk then real.error(why, 0) end
  local env = environment()
  real.setfenv(chunk, env)
  steps = 0
  chunk()
  loaded[index] = {name = script.name, env = env}
  answers = answers or env.envoy_on_response ~= nil
end
SCRIPTS = nil

local function run(handle, flow, from, to, by)
  for index = from, to, by do
    local script = loaded[index]
    local entry = script.env["envoy_on_" .. flow]
    if entry then
      steps = 0
      local ok, why = real.pcall(entry, guarded(handle))
      if not ok then
        handle:logErr(script.name .. ": " .. tostring(why))
        return false
      end
    end
  end
  return true
end

function envoy_on_request(handle)
  if answers then handle:streamInfo():dynamicMetadata():set(SEEN, "request", true) end
  if run(handle, "request", 1, #loaded, 1) then return end
  handle:respond(
    {[":status"] = "500", ["content-type"] = "application/json; charset=UTF-8"},
    '{"error_message":"Internal Server Error","code":"901100","error_description":"A script of this API failed"}')
end

function envoy_on_response(handle)
  -- A call that was refused before it came here is none of the scripts' business.
  if not answers or not handle:streamInfo():dynamicMetadata():get(SEEN) then return end
  if run(handle, "response", #loaded, 1, -1) then return end
  handle:streamInfo():dynamicMetadata():set("kapi.reply", "code", "901100")
  -- Without a status Envoy drops the response and answers for itself; the listener's table makes it the same 500.
  handle:headers():remove(":status")
end
