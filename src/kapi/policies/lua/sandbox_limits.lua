-- What one run of a script may use up: instructions, processor time, memory. First of the files that make the sandbox; `LONGEST` stands
-- before it: the longest text in bytes that a script may make by one call or take from Envoy.
-- LuaJIT's compiler is off so that the hook sees every instruction. It looks every few instructions, because memory may grow by a factor
-- with each of them: `s = s .. s`.

jit.off()

local STEP = 3
local MOST_STEPS = 10 * 1000 * 1000
local MOST_SECONDS = 0.25
local MOST_KILOBYTES = 16 * 1024 + 4 * LONGEST / 1024
local MOST_AT_ONCE = 256 + 3 * LONGEST / 1024
local LOOKS_BETWEEN_CLOCKS, WORK_BETWEEN_CLOCKS = 200, 20000
local TOO_LONG, TOO_LARGE = "it ran for too long", "it needs too much memory"

local real = {
  pcall = pcall, xpcall = xpcall, error = error, sethook = debug.sethook, load = load, setfenv = setfenv, count = collectgarbage, pairs = pairs,
  type = type, tostring = tostring, setmetatable = setmetatable, getmetatable = getmetatable,
  rep = string.rep, format = string.format, find = string.find, match = string.match, gmatch = string.gmatch, gsub = string.gsub,
  sub = string.sub, byte = string.byte, char = string.char,
  concat = table.concat, insert = table.insert, sort = table.sort,
}

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds; long nanoseconds; } kapi_clock; int clock_gettime(int, kapi_clock *);")
local clock, THREAD_CPU = ffi.new("kapi_clock"), jit.os == "OSX" and 16 or 3

local function processor_seconds()
  ffi.C.clock_gettime(THREAD_CPU, clock)
  return tonumber(clock.seconds) + tonumber(clock.nanoseconds) / 1e9
end

-- The run that is going on, or nothing: what is between or after runs is our own code and is not counted.
local run_now, ended = nil, nil

local function stop(why)
  run_now, ended = nil, why
  real.error(why, 0)
end

local function charge(steps)
  local run = run_now
  if not run then return end
  run.steps = run.steps + steps
  if run.steps > MOST_STEPS then stop(TOO_LONG) end
end

local function look()
  local run = run_now
  if not run then return end
  run.steps, run.looks = run.steps + STEP, run.looks + 1
  if run.steps > MOST_STEPS then stop(TOO_LONG) end
  local kilobytes = real.count("count")
  if kilobytes - run.kilobytes > MOST_AT_ONCE then stop(TOO_LARGE) end
  run.kilobytes = kilobytes
  if kilobytes > MOST_KILOBYTES then
    charge(MOST_STEPS / 10)
    real.count("collect")
    run.kilobytes = real.count("count")
    if run.kilobytes > MOST_KILOBYTES then stop(TOO_LARGE) end
  end
  if run.looks % LOOKS_BETWEEN_CLOCKS == 0 and processor_seconds() - run.begun > MOST_SECONDS then stop(TOO_LONG) end
end
real.sethook(look, "", STEP)

local function loud(ok, ...)
  real.sethook(look, "", STEP)
  if not ok then real.error((...), 0) end
  return ...
end

-- Runs code of ours that needs little memory and says by `worked` what it does: the hook would make it ten times as slow.
local function quietly(call, ...)
  real.sethook()
  return loud(real.pcall(call, ...))
end

local work = 0

local function worked(steps)
  work = work + steps
  if work < WORK_BETWEEN_CLOCKS then return end
  charge(work)
  work = 0
  if run_now and processor_seconds() - run_now.begun > MOST_SECONDS then stop(TOO_LONG) end
end

local function entered(run, entry, ...)
  run_now = run
  entry(...)
  run_now = nil
end

local function left(why)
  run_now = nil
  return why
end

-- Calls a function of a script within the limits: true, or false and why. The run begins and ends inside of the protected call: what the
-- hook raised outside would end our own script, and Envoy goes on with a call whose script has failed.
local function bounded(entry, ...)
  ended = nil
  local run = {steps = 0, looks = 0, kilobytes = real.count("count"), begun = processor_seconds()}
  local ok, why = real.xpcall(entered, left, run, entry, ...)
  local reason = ended
  ended = nil
  if ok then return true end
  if reason == TOO_LARGE then real.count("collect") end
  -- What a script raises may be an object whose own `__tostring` would run now.
  return false, reason or real.type(why) == "string" and why or "it raised an error that is not a text"
end

-- Envoy's calls that wait: other calls of the same operation may run meanwhile, with limits of their own.
local function waiting(object, name, ...)
  local run = run_now
  local spent = processor_seconds() - run.begun
  run_now = nil
  local ok, result = real.pcall(object[name], object, ...)
  run.begun, run.kilobytes = processor_seconds() - spent, real.count("count")
  run_now = run
  if not ok then real.error(result, 0) end
  return result
end

-- A script must not survive its own end by catching it.
local function caught(ok, ...)
  if not ok and ended then real.error(ended, 0) end
  return ok, ...
end

