// npm oauth4webapi, the strictest of the JavaScript clients, through everything it supports: every step validated by its own rules.
import { setTimeout as pause } from 'node:timers/promises'
import { allowDevice, approve, authentication, fetchThroughGateway, importKey, last, run, settings, signIn } from './gateway.mjs'

const oauth = await import('oauth4webapi')
const http = { [oauth.customFetch]: fetchThroughGateway }
const issuer = new URL(settings.issuer)
const client = { client_id: settings.client, ...settings.metadata }

async function discover(algorithm = 'oidc') {
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...http }))
}

// A request is tried again when the server wants a nonce in the DPoP proof.
async function withNonce(send, process) {
  try {
    return await process(await send())
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return process(await send())
  }
}

// Asks once before the person has decided, then again when the server said it may.
async function polled(interval, send, process, decide) {
  const early = await send().then(process).catch((error) => error)
  if (early.error !== 'authorization_pending') throw early
  await decide()
  await pause(interval * 1000 + 100)
  return process(await send())
}

async function introspected(as, auth, token) {
  return oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, token, http))
}

// The code flow without anything around it.
async function code() {
  const [as, other] = [await discover(), await discover('oauth2')]
  const auth = await authentication(oauth)
  const verifier = oauth.generateRandomCodeVerifier()
  const [nonce, state] = [oauth.generateRandomNonce(), oauth.generateRandomState()]
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: client.client_id, redirect_uri: settings.redirect, response_type: 'code', response_mode: settings.mode,
    scope: 'openid email', state, nonce, max_age: '600',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  })
  const back = await signIn(url)
  const found = { query: () => back, fragment: () => new URLSearchParams(back.hash.slice(1)), form_post: async () => new URLSearchParams(await back.text()) }
  // It demands `iss` because the metadata promise it (RFC 9207).
  const answered = oauth.validateAuthResponse(as, client, await found[settings.mode](), state)
  const answer = await oauth.authorizationCodeGrantRequest(as, client, auth, answered, settings.redirect, verifier, http)
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, { expectedNonce: nonce, maxAge: 600, requireIdToken: true })
  await oauth.validateApplicationLevelSignature(as, answer, http)
  const claims = oauth.getValidatedIdTokenClaims(tokens)
  const shown = await oauth.userInfoRequest(as, client, tokens.access_token, http)
  const info = await oauth.processUserInfoResponse(as, client, claims.sub, shown)
  if (client.userinfo_signed_response_alg) await oauth.validateApplicationLevelSignature(as, shown, http)
  const fresh = await oauth.processRefreshTokenResponse(
    as, client, await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token, http))
  return { claims, info, scope: fresh.scope, same: other.issuer === as.issuer }
}

// Pushed and signed request, signed response, a token bound to a key, with nonces; introspection as JWT.
async function secured() {
  const as = await discover()
  client.require_auth_time = true
  const key = await importKey(settings.jwk, settings.algorithm)
  const auth = oauth.PrivateKeyJwt(key)
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
  const verifier = oauth.generateRandomCodeVerifier()
  const [nonce, state] = [oauth.generateRandomNonce(), oauth.generateRandomState()]
  const parameters = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: settings.redirect,
    response_type: 'code',
    response_mode: 'jwt',
    scope: 'openid profile offline_access',
    prompt: 'consent',
    resource: settings.resource,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    max_age: '600',
    nonce,
    state,
  })
  const object = await oauth.issueRequestObject(as, client, parameters, key)
  const pushed = await withNonce(
    () => oauth.pushedAuthorizationRequest(as, client, auth, new URLSearchParams({ request: object }), { DPoP, ...http }),
    (answer) => oauth.processPushedAuthorizationResponse(as, client, answer),
  )
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri })
  const back = await signIn(url)
  const answered = await oauth.validateJwtAuthResponse(as, client, back, state, http)
  const tokens = await withNonce(
    () => oauth.authorizationCodeGrantRequest(as, client, auth, answered, settings.redirect, verifier, { DPoP, ...http }),
    (answer) => oauth.processAuthorizationCodeResponse(as, client, answer, { expectedNonce: nonce, maxAge: 600, requireIdToken: true }),
  )
  const claims = oauth.getValidatedIdTokenClaims(tokens)
  const info = await withNonce(
    () => oauth.userInfoRequest(as, client, tokens.access_token, { DPoP, ...http }),
    (answer) => oauth.processUserInfoResponse(as, client, claims.sub, answer),
  )
  const fresh = await withNonce(
    () => oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token, { DPoP, ...http }),
    (answer) => oauth.processRefreshTokenResponse(as, client, answer),
  )
  const introspection = async () => {
    const answer = await oauth.introspectionRequest(as, client, auth, fresh.access_token, { requestJwtResponse: true, ...http })
    const value = await oauth.processIntrospectionResponse(as, client, answer)
    await oauth.validateApplicationLevelSignature(as, answer, http)
    return value
  }
  const found = await introspection()
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, fresh.refresh_token, http))
  return { type: tokens.token_type, subject: claims.sub, info, scope: fresh.scope, found, gone: await introspection() }
}

async function clientCredentials() {
  const as = await discover('oauth2')
  const auth = await authentication(oauth)
  const answer = await oauth.clientCredentialsGrantRequest(as, client, auth, new URLSearchParams({ scope: 'default' }), http)
  const tokens = await oauth.processClientCredentialsResponse(as, client, answer)
  const found = await introspected(as, auth, tokens.access_token)
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, tokens.access_token, http))
  return { tokens, found, gone: await introspected(as, auth, tokens.access_token) }
}

async function device() {
  const as = await discover()
  const auth = await authentication(oauth)
  const asked = await oauth.processDeviceAuthorizationResponse(
    as, client, await oauth.deviceAuthorizationRequest(as, client, auth, new URLSearchParams({ scope: 'openid a' }), http))
  const tokens = await polled(
    asked.interval ?? 5,
    () => oauth.deviceCodeGrantRequest(as, client, auth, asked.device_code, http),
    (answer) => oauth.processDeviceCodeResponse(as, client, answer),
    () => allowDevice(asked.verification_uri_complete, asked.user_code),
  )
  return { claims: oauth.getValidatedIdTokenClaims(tokens), scope: tokens.scope }
}

async function ciba() {
  const as = await discover()
  const auth = await authentication(oauth)
  const parameters = new URLSearchParams({ scope: 'openid a', login_hint: 'org1user', binding_message: settings.message })
  const asked = await oauth.processBackchannelAuthenticationResponse(
    as, client, await oauth.backchannelAuthenticationRequest(as, client, auth, parameters, http))
  const tokens = await polled(
    asked.interval ?? 5,
    () => oauth.backchannelAuthenticationGrantRequest(as, client, auth, asked.auth_req_id, http),
    (answer) => oauth.processBackchannelAuthenticationGrantResponse(as, client, answer),
    () => approve(settings.message),
  )
  return { claims: oauth.getValidatedIdTokenClaims(tokens), scope: tokens.scope }
}

// Grants that have no function of their own there: token exchange, JWT assertions.
async function generic() {
  const as = await discover('oauth2')
  const auth = await authentication(oauth)
  const answer = await oauth.genericTokenEndpointRequest(as, client, auth, settings.grant, settings.parameters, http)
  // What these grants issue has a type of its own (RFC 8693), which the library wants to be told.
  return oauth.processGenericTokenEndpointResponse(as, client, answer)
}

async function registration() {
  const as = await discover('oauth2')
  const sent = { client_name: 'oauth4webapi', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }
  const answer = await oauth.dynamicClientRegistrationRequest(as, sent, { initialAccessToken: settings.token, ...http })
  const made = await oauth.processDynamicClientRegistrationResponse(answer)
  const auth = oauth.ClientSecretBasic(made.client_secret)
  const granted = await oauth.clientCredentialsGrantRequest(as, made, auth, new URLSearchParams(), http)
  return { client: made, tokens: await oauth.processClientCredentialsResponse(as, made, granted) }
}

// From the address of an API alone: who issues tokens for it, a bound token, the call; and the check that an API itself would do.
async function resource() {
  const address = new URL(settings.api)
  const described = await oauth.processResourceDiscoveryResponse(address, await oauth.resourceDiscoveryRequest(address, http))
  const found = new URL(described.authorization_servers[0])
  const as = await oauth.processDiscoveryResponse(found, await oauth.discoveryRequest(found, { algorithm: 'oauth2', ...http }))
  const auth = await authentication(oauth)
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
  const parameters = new URLSearchParams({ scope: 'apk:api_create', resource: described.resource })
  const tokens = await withNonce(
    () => oauth.clientCredentialsGrantRequest(as, client, auth, parameters, { DPoP, ...http }),
    (answer) => oauth.processClientCredentialsResponse(as, client, answer),
  )
  const called = await withNonce(
    () => oauth.protectedResourceRequest(tokens.access_token, 'GET', new URL(`${settings.api}/deployer/1.2.0/apis`), new Headers(), null, { DPoP, ...http }),
    async (answer) => ({ status: answer.status, body: await answer.json() }),
  )
  const claims = await oauth.validateJwtAccessToken(as, new Request(last.url, { headers: last.headers }), described.resource, { requireDPoP: true, ...http })
  return { described, called, claims }
}

await run({ code, secured, clientCredentials, device, ciba, generic, registration, resource })
