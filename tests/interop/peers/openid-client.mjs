// npm openid-client: discovery, code with PKCE and nonce, userinfo, refresh, introspection, revocation, sign-out.
import * as client from 'openid-client'
import { converse, fetchThrough, hear, say } from './client.mjs'

await converse(async ({ issuer, clientId, secret, redirectUri, scope }) => {
  const config = await client.discovery(new URL(issuer), clientId, secret, undefined, { [client.customFetch]: fetchThrough })
  const verifier = client.randomPKCECodeVerifier()
  const nonce = client.randomNonce()
  const state = client.randomState()
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri, scope, state, nonce, code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  })
  say({ open: url.href })
  const { location } = await hear()
  const tokens = await client.authorizationCodeGrant(config, new URL(location), {
    pkceCodeVerifier: verifier, expectedNonce: nonce, expectedState: state, idTokenExpected: true,
  })
  const claims = tokens.claims()
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
  const introspection = await client.tokenIntrospection(config, refreshed.access_token)
  await client.tokenRevocation(config, refreshed.refresh_token)
  const after = await client.tokenIntrospection(config, refreshed.access_token)
  const logout = client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: redirectUri, state: 'bye' })
  say({ claims, userinfo, introspection, after, logout: logout.href, rotated: tokens.refresh_token !== refreshed.refresh_token })
})
