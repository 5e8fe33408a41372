-- SHA-256 (FIPS 180-4) of a text, as lower-case hex. Envoy's Lua has no digest of its own; keys are stored as digests only.
local band, bnot, bxor, ror, shr, add = bit.band, bit.bnot, bit.bxor, bit.ror, bit.rshift, bit.tobit
local ROUND = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}
local START = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 }
local words = {}

local function sha256(message)
  local length = #message
  local padded = message .. "\128" .. string.rep("\0", (55 - length) % 64)
  local bits = length * 8
  padded = padded .. string.char(0, 0, 0, 0, shr(bits, 24) % 256, shr(bits, 16) % 256, shr(bits, 8) % 256, bits % 256)
  local h1, h2, h3, h4, h5, h6, h7, h8 = unpack(START)
  for block = 1, #padded, 64 do
    for i = 0, 15 do
      local a, b, c, d = padded:byte(block + i * 4, block + i * 4 + 3)
      words[i] = add(a * 16777216 + b * 65536 + c * 256 + d)
    end
    for i = 16, 63 do
      local x, y = words[i - 15], words[i - 2]
      local s0 = bxor(ror(x, 7), ror(x, 18), shr(x, 3))
      local s1 = bxor(ror(y, 17), ror(y, 19), shr(y, 10))
      words[i] = add(words[i - 16] + s0 + words[i - 7] + s1)
    end
    local a, b, c, d, e, f, g, h = h1, h2, h3, h4, h5, h6, h7, h8
    for i = 0, 63 do
      local t1 = add(h + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + bxor(band(e, f), band(bnot(e), g)) + ROUND[i + 1] + words[i])
      local t2 = add(bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + bxor(band(a, b), band(a, c), band(b, c)))
      h, g, f, e, d, c, b, a = g, f, e, add(d + t1), c, b, a, add(t1 + t2)
    end
    h1, h2, h3, h4 = add(h1 + a), add(h2 + b), add(h3 + c), add(h4 + d)
    h5, h6, h7, h8 = add(h5 + e), add(h6 + f), add(h7 + g), add(h8 + h)
  end
  local hex = {}
  for i, word in ipairs({ h1, h2, h3, h4, h5, h6, h7, h8 }) do
    hex[i] = bit.tohex(word)
  end
  return table.concat(hex)
end
