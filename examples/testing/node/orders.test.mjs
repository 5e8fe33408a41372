// node --test: an API that verifies tokens of Auth0 with its keys, tested without Auth0.
import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { after, before, test } from 'node:test'
import { start } from './kapi.mjs'

let kapi
let auth0
before(async () => {
  kapi = await start()
  auth0 = await kapi.issuer({ emulate: 'auth0', parameters: { domain: 'acme.eu.auth0.com' } })
})
after(() => kapi.stop())

/** The code under test: what an API checks of a token. */
async function claimsOf(token, keysUrl) {
  const [header, claims] = token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')))
  const { keys } = await (await fetch(keysUrl)).json()
  const jwk = keys.find((key) => key.kid === header.kid && key.alg === 'RS256')
  if (header.alg !== 'RS256' || !jwk) throw new Error('unknown key')
  const signed = Buffer.from(token.slice(0, token.lastIndexOf('.')))
  const signature = Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url')
  if (!verify('sha256', signed, createPublicKey({ key: jwk, format: 'jwk' }), signature)) throw new Error('signature')
  if (claims.exp < Date.now() / 1000) throw new Error('expired')
  if (claims.iss !== 'https://acme.eu.auth0.com/') throw new Error('issuer')
  if (![claims.aud].flat().includes('https://orders.example')) throw new Error('audience')
  return claims
}

test('tokens of Auth0 are accepted, and wrong ones refused', async () => {
  const { jwks_uri: keys } = await (await fetch(auth0.discoveryUrl)).json()
  const audience = 'https://orders.example'
  const claims = await claimsOf(await auth0.token({ audience, user: 'org1user' }), keys)
  assert.equal(claims.sub, 'auth0|org1user')
  for (const [recipe, why] of [['expired', 'expired'], ['wrong-key', 'signature'], ['alg-none', 'unknown key'], ['wrong-audience', 'audience']]) {
    await assert.rejects(claimsOf(await auth0.mint(recipe, { audience }), keys), new RegExp(why))
  }
})

test('a provider that is down is asked again', async () => {
  const shop = await kapi.issuer({ name: 'shop' })
  await shop.fault('status', { value: 503, endpoint: 'jwks', times: 1 })
  const { jwks_uri: keys } = await (await fetch(shop.discoveryUrl)).json()
  assert.equal((await fetch(keys)).status, 503)
  assert.equal((await fetch(keys)).status, 200)
  await shop.called('jwks', { times: 2 })
  await assert.rejects(shop.called('jwks', { times: 1 }), /called 2 times/)
})
