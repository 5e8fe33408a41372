// npm oauth4webapi, the strictest client there is: every step validated by its own rules, nothing relaxed.
import * as oauth from 'oauth4webapi'
import { converse, fetchThrough, hear, say } from './client.mjs'

await converse(async ({ issuer, clientId, redirectUri, scope, mode, publicClient, secret }) => {
  const options = { [oauth.customFetch]: fetchThrough }
  const identifier = new URL(issuer)
  const found = {}
  for (const algorithm of ['oidc', 'oauth2']) {
    found[algorithm] = await oauth.processDiscoveryResponse(identifier, await oauth.discoveryRequest(identifier, { algorithm, ...options }))
  }
  const as = found.oidc
  const client = { client_id: clientId }
  const authentication = publicClient ? oauth.None() : oauth.ClientSecretBasic(secret)
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const nonce = oauth.generateRandomNonce()
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: clientId, redirect_uri: redirectUri, response_type: 'code', scope, state, nonce, response_mode: mode, max_age: '600',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  })
  say({ open: url.href })
  const { location } = await hear()
  // validateAuthResponse demands `iss` because the metadata promise it (RFC 9207).
  const callback = new URL(location)
  const parameters = oauth.validateAuthResponse(as, client, mode === 'fragment' ? new URLSearchParams(callback.hash.slice(1)) : callback.searchParams, state)
  const response = await oauth.authorizationCodeGrantRequest(as, client, authentication, parameters, redirectUri, verifier, options)
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: nonce, maxAge: 600, requireIdToken: true })
  await oauth.validateApplicationLevelSignature(as, response, options)
  const claims = oauth.getValidatedIdTokenClaims(tokens)
  const userinfo = await oauth.processUserInfoResponse(as, client, claims.sub, await oauth.userInfoRequest(as, client, tokens.access_token, options))
  const refreshed = await oauth.processRefreshTokenResponse(
    as, client, await oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, options))
  say({ claims, userinfo, scope: refreshed.scope, same: found.oauth2.issuer === as.issuer })
})
