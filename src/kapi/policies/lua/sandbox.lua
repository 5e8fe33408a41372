-- Runs the scripts of an apk-conf. Each gets an environment of its own: no files, no processes, no loading of code, no calls of
-- other clusters, no change of route. `SCRIPTS` is before these files: {{name, source}, …} in the order of the request; and
-- `ENDLESS`, the flows whose messages have no end.
-- A script that fails, or goes beyond its limits, gives a 500.

local function copied(source, names)
  local out = {}
  for _, name in ipairs(names) do out[name] = source[name] end
  return out
end

local function environment()
  local env = copied(_G, {
    "assert", "error", "ipairs", "next", "pairs", "rawequal", "rawget", "rawset", "select", "tonumber", "tostring", "type", "unpack",
  })
  env.pcall = function(...) return caught(real.pcall(...)) end
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
  env.os = copied(os, {"clock", "difftime", "time"})
  env.os.date = function(form, ...) return os.date(form and text(form, 256, "the form of a date"), ...) end
  env._G = env
  return env
end

local SEEN = "kapi.lua"
local loaded, answers = {}, false

local function started(script)
  -- Text only: a script that may load bytecode can leave any sandbox.
  local chunk, why = real.load(script.source, "=" .. script.name, "t")
  if not chunk then return nil, why end
  local env = environment()
  real.setfenv(chunk, env)
  local ok, fault = bounded(chunk)
  if not ok then return nil, fault end
  return env
end

for index, script in ipairs(SCRIPTS) do
  local env, why = started(script)
  if not env then
    -- kapi asks Envoy before a deployment. Where a script is `UNCHECKED`, an error here would stop the changes of all APIs.
    if not UNCHECKED then real.error(why, 0) end
    env = {envoy_on_request = function() real.error(why, 0) end}
  end
  loaded[index] = {name = script.name, env = env}
  answers = answers or rawget(env, "envoy_on_response") ~= nil
end
SCRIPTS = nil
local ENDLESS = ENDLESS

local function run(handle, flow, from, to, by)
  local given = ENDLESS and ENDLESS[flow] and endless_stand_in or stand_in
  for index = from, to, by do
    local script = loaded[index]
    local entry = rawget(script.env, "envoy_on_" .. flow)
    if entry ~= nil then
      local ok, why = bounded(entry, given(handle))
      if not ok then
        handle:logErr(script.name .. ": " .. logged(why))
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
