// The vendors' own verifiers judge tokens: {vendor, facts, tokens: {label: token}} in, {label: "accepted" or the refusal} out.
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

async function auth0({ issuer, audience }) {
  const { auth } = require('express-oauth2-jwt-bearer')
  const check = auth({ issuerBaseURL: issuer, audience, tokenSigningAlg: 'RS256' })
  return (token) => asMiddleware(check, token)
}

function asMiddleware(check, token) {
  const request = {
    method: 'GET', protocol: 'https', originalUrl: '/orders', url: '/orders', query: {}, body: {}, is: () => false,
    headers: { host: 'orders.example', authorization: `Bearer ${token}` }, get: (name) => request.headers[name.toLowerCase()],
  }
  return new Promise((resolve, reject) => check(request, {}, (error) => (error ? reject(error) : resolve())))
}

async function okta({ issuer, audience }) {
  const Verifier = require('@okta/jwt-verifier')
  const verifier = new Verifier({ issuer })
  return (token) => verifier.verifyAccessToken(token, audience)
}

async function cognito({ pool, client }) {
  const { CognitoJwtVerifier } = require('aws-jwt-verify')
  const verifier = CognitoJwtVerifier.create({ userPoolId: pool, tokenUse: 'access', clientId: client })
  return (token) => verifier.verify(token)
}

async function google({ client }) {
  const { OAuth2Client } = require('google-auth-library')
  const verifier = new OAuth2Client()
  return (idToken) => verifier.verifyIdToken({ idToken, audience: client })
}

async function firebase({ project }) {
  const { initializeApp } = require('firebase-admin/app')
  const { getAuth } = require('firebase-admin/auth')
  const verifier = getAuth(initializeApp({ projectId: project }))
  return (token) => verifier.verifyIdToken(token)
}

async function clerk({ origin }) {
  const { verifyToken } = await import('@clerk/backend')
  return (token) => verifyToken(token, { secretKey: 'sk_test_kapi', authorizedParties: [origin] })
}

async function entra({ issuer, discovery, audience }) {
  const { BearerStrategy } = require('passport-azure-ad')
  const options = {
    identityMetadata: discovery, clientID: audience, audience, issuer, validateIssuer: true, loggingLevel: 'fatal', loggingNoPII: true,
  }
  const strategy = new BearerStrategy(options, (claims, done) => done(null, claims))
  return (token) => new Promise((resolve, reject) => {
    const running = Object.create(strategy)
    Object.assign(running, { success: resolve, fail: (why) => reject(new Error(String(why))), error: reject })
    running.authenticate({ headers: { authorization: `Bearer ${token}` }, query: {}, body: {} }, {})
  })
}

async function keycloak({ url, realm, client }) {
  const Config = require('keycloak-connect/middleware/auth-utils/config')
  const GrantManager = require('keycloak-connect/middleware/auth-utils/grant-manager')
  const Token = require('keycloak-connect/middleware/auth-utils/token')
  const config = new Config({ realm, 'auth-server-url': `${url}/`, resource: client, 'bearer-only': true, 'verify-token-audience': true })
  const manager = new GrantManager(config)
  return (token) => manager.validateToken(new Token(token, client), 'Bearer')
}

async function supabase({ url }) {
  const { createClient } = require('@supabase/supabase-js')
  const verifier = createClient(url, 'anonymous', { realtime: { transport: class {} } })
  return async (token) => {
    const { data, error } = await verifier.auth.getClaims(token)
    if (error || !data) throw error ?? new Error('no claims')
  }
}

async function asgardeo({ issuer, keys, client }) {
  const { NodeCryptoUtils } = require('@asgardeo/auth-node/dist/src/utils/crypto-utils')
  const verifier = new NodeCryptoUtils()
  const published = (await (await fetch(keys)).json()).keys
  return async (token) => {
    const [header, claims] = token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')))
    const key = published.find((jwk) => jwk.kid === header.kid)
    if (!key) throw new Error('no key with this kid')
    await verifier.verifyJwt(token, key, ['RS256'], client, issuer, claims.sub, 5)
  }
}

// Vendors without a verifier of their own: what their documents tell an API to check.
async function jose({ issuer, keys, audience }) {
  const { createRemoteJWKSet, jwtVerify } = await import('jose')
  const set = createRemoteJWKSet(new URL(keys))
  return (token) => jwtVerify(token, set, { issuer, audience, algorithms: ['RS256'] })
}

const verifiers = { auth0, okta, cognito, google, firebase, clerk, entra, keycloak, supabase, asgardeo, jose }
// A library that crashes outside of its promise (njwt does, on a token without signature) has not accepted the token.
function crash() {
  process.removeAllListeners('uncaughtException')
  return new Promise((_, reject) => process.once('uncaughtException', reject))
}

const { verifier, facts, tokens } = JSON.parse(process.argv[2])
const verify = await verifiers[verifier](facts)
const told = {}
for (const [label, token] of Object.entries(tokens)) {
  try {
    await Promise.race([verify(token), crash()])
    told[label] = 'accepted'
  } catch (error) {
    told[label] = `refused: ${error?.message ?? error}`
  }
}
console.log(JSON.stringify(told))
process.exit(0)
