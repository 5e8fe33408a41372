// npm oauth4webapi, the strictest of the JavaScript clients, through everything it supports.
import { fetchThroughGateway, run, settings, signIn } from './gateway.mjs'

const oauth = await import('oauth4webapi')
const http = { [oauth.customFetch]: fetchThroughGateway }
const issuer = new URL(settings.issuer)

async function discover(algorithm = 'oidc') {
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...http }))
}

async function importKey(jwk, algorithm) {
  const names = { ES256: { name: 'ECDSA', namedCurve: 'P-256' }, PS256: { name: 'RSA-PSS', hash: 'SHA-256' } }
  return { key: await crypto.subtle.importKey('jwk', jwk, names[algorithm], false, ['sign']), kid: jwk.kid }
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

async function everything() {
  const as = await discover()
  const client = { client_id: settings.client, require_auth_time: true, ...settings.metadata }
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
  const asked = await oauth.introspectionRequest(as, client, auth, fresh.access_token, { requestJwtResponse: true, ...http })
  const found = await oauth.processIntrospectionResponse(as, client, asked)
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, fresh.refresh_token, http))
  const gone = await oauth.introspectionRequest(as, client, auth, fresh.access_token, { requestJwtResponse: true, ...http })
  return {
    type: tokens.token_type,
    subject: claims.sub,
    info,
    scope: fresh.scope,
    found,
    gone: await oauth.processIntrospectionResponse(as, client, gone),
  }
}

const methods = {
  client_secret_basic: () => oauth.ClientSecretBasic(settings.secret),
  client_secret_post: () => oauth.ClientSecretPost(settings.secret),
  client_secret_jwt: () => oauth.ClientSecretJwt(settings.secret),
  private_key_jwt: async () => oauth.PrivateKeyJwt(await importKey(settings.jwk, settings.algorithm)),
  tls_client_auth: () => oauth.TlsClientAuth(),
  self_signed_tls_client_auth: () => oauth.TlsClientAuth(),
}

async function clientCredentials() {
  const as = await discover('oauth2')
  const client = { client_id: settings.client }
  const auth = await methods[settings.method]()
  const answer = await oauth.clientCredentialsGrantRequest(as, client, auth, new URLSearchParams({ scope: 'default' }), http)
  const tokens = await oauth.processClientCredentialsResponse(as, client, answer)
  const found = await oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, tokens.access_token, http))
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, tokens.access_token, http))
  const gone = await oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, tokens.access_token, http))
  return { tokens, found, gone }
}

async function registration() {
  const as = await discover('oauth2')
  const sent = { client_name: 'oauth4webapi', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }
  const answer = await oauth.dynamicClientRegistrationRequest(as, sent, { initialAccessToken: settings.token, ...http })
  const client = await oauth.processDynamicClientRegistrationResponse(answer)
  const auth = oauth.ClientSecretBasic(client.client_secret)
  const granted = await oauth.clientCredentialsGrantRequest(as, client, auth, new URLSearchParams(), http)
  return { client, tokens: await oauth.processClientCredentialsResponse(as, client, granted) }
}

await run({ everything, clientCredentials, registration })
