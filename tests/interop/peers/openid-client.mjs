// npm openid-client, the client that most Node applications use, through everything it supports.
import { allowDevice, approve, authentication, fetchThroughGateway, importKey, run, settings, signIn } from './gateway.mjs'

const client = await import('openid-client')
const http = { [client.customFetch]: fetchThroughGateway }

async function configure(auth, options = {}) {
  const made = await client.discovery(new URL(settings.issuer), settings.client, settings.metadata ?? {}, auth, { ...http, ...options })
  made[client.customFetch] = fetchThroughGateway
  return made
}

async function withPkce(more) {
  const verifier = client.randomPKCECodeVerifier()
  const [expectedNonce, expectedState] = [client.randomNonce(), client.randomState()]
  const parameters = {
    redirect_uri: settings.redirect,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    nonce: expectedNonce,
    state: expectedState,
    ...more,
  }
  return { parameters, checks: { pkceCodeVerifier: verifier, expectedNonce, expectedState, idTokenExpected: true } }
}

// Introspection before and after the revocation of what stands for the authorization.
async function revoked(config, token, all = token) {
  const found = await client.tokenIntrospection(config, token)
  await client.tokenRevocation(config, all)
  return { found, gone: await client.tokenIntrospection(config, token) }
}

async function code() {
  const config = await configure(await authentication(client))
  client.enableNonRepudiationChecks(config)
  const { parameters, checks } = await withPkce({ scope: 'openid profile', response_mode: settings.mode })
  const back = await signIn(client.buildAuthorizationUrl(config, parameters))
  const tokens = await client.authorizationCodeGrant(config, back, checks)
  const claims = tokens.claims()
  const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
  const fresh = await client.refreshTokenGrant(config, tokens.refresh_token)
  const rotated = tokens.refresh_token !== fresh.refresh_token
  const logout = client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: settings.redirect, state: 'bye' })
  return { claims, info, rotated, logout: logout.href, ...(await revoked(config, fresh.access_token, fresh.refresh_token)) }
}

// Pushed and signed request, signed response, a token bound to a key, with nonces.
async function secured() {
  const key = await importKey(settings.jwk)
  const config = await configure(client.PrivateKeyJwt(key))
  client.useJwtResponseMode(config)
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair())
  const { parameters, checks } = await withPkce({ scope: 'openid profile offline_access', prompt: 'consent' })
  const signed = await client.buildAuthorizationUrlWithJAR(config, parameters, key)
  const url = await client.buildAuthorizationUrlWithPAR(config, Object.fromEntries(signed.searchParams), { DPoP })
  const tokens = await client.authorizationCodeGrant(config, await signIn(url), checks, undefined, { DPoP })
  const subject = tokens.claims().sub
  const info = await client.fetchUserInfo(config, tokens.access_token, subject, { DPoP })
  const fresh = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
  return { type: tokens.token_type, subject, info, ...(await revoked(config, fresh.access_token, fresh.refresh_token)) }
}

async function clientCredentials() {
  const config = await configure(await authentication(client))
  const tokens = await client.clientCredentialsGrant(config, { scope: 'default' })
  return { tokens, ...(await revoked(config, tokens.access_token)) }
}

async function device() {
  const config = await configure(await authentication(client))
  const asked = await client.initiateDeviceAuthorization(config, { scope: 'openid a' })
  await allowDevice(asked.verification_uri_complete, asked.user_code)
  const tokens = await client.pollDeviceAuthorizationGrant(config, asked)
  return { claims: tokens.claims(), scope: tokens.scope }
}

async function ciba() {
  const config = await configure(await authentication(client))
  const asked = await client.initiateBackchannelAuthentication(config, { scope: 'openid a', login_hint: 'org1user', binding_message: settings.message })
  await approve(settings.message)
  const tokens = await client.pollBackchannelAuthenticationGrant(config, asked)
  return { claims: tokens.claims(), scope: tokens.scope }
}

// Grants that have no function of their own there: token exchange, JWT assertions.
async function generic() {
  const config = await configure(await authentication(client))
  return client.genericGrantRequest(config, settings.grant, settings.parameters)
}

async function registration() {
  const sent = { client_name: 'openid-client', token_endpoint_auth_method: 'client_secret_post', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }
  const config = await client.dynamicClientRegistration(new URL(settings.issuer), sent, undefined, { initialAccessToken: settings.token, ...http })
  config[client.customFetch] = fetchThroughGateway
  return { client: config.clientMetadata(), tokens: await client.clientCredentialsGrant(config) }
}

// A token for one resource, bound to a key, and the call with it.
async function resource() {
  const config = await configure(await authentication(client), { algorithm: 'oauth2' })
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair())
  const tokens = await client.clientCredentialsGrant(config, { scope: 'apk:api_create', resource: settings.api }, { DPoP })
  const address = new URL(`${settings.api}/deployer/1.2.0/apis`)
  const answer = await client.fetchProtectedResource(config, tokens.access_token, address, 'GET', null, new Headers(), { DPoP })
  return { type: tokens.token_type, called: { status: answer.status, body: await answer.json() } }
}

await run({ code, secured, clientCredentials, device, ciba, generic, registration, resource })
