// npm openid-client, the client that most Node applications use.
import { fetchThroughGateway, run, settings, signIn } from './gateway.mjs'

const client = await import('openid-client')

async function importKey(jwk) {
  return { key: await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']), kid: jwk.kid }
}

async function configure(auth, metadata = {}) {
  const options = { [client.customFetch]: fetchThroughGateway }
  const made = await client.discovery(new URL(settings.issuer), settings.client, metadata, auth, options)
  made[client.customFetch] = fetchThroughGateway
  return made
}

// Pushed and signed request, signed response, a token bound to a key, with nonces.
async function code() {
  const key = await importKey(settings.jwk)
  const config = await configure(client.PrivateKeyJwt(key))
  client.useJwtResponseMode(config)
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair())
  const verifier = client.randomPKCECodeVerifier()
  const [expectedNonce, expectedState] = [client.randomNonce(), client.randomState()]
  const parameters = {
    redirect_uri: settings.redirect,
    scope: 'openid profile offline_access',
    prompt: 'consent',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    nonce: expectedNonce,
    state: expectedState,
  }
  const signed = await client.buildAuthorizationUrlWithJAR(config, parameters, key)
  const url = await client.buildAuthorizationUrlWithPAR(config, Object.fromEntries(signed.searchParams), { DPoP })
  const back = await signIn(url)
  const checks = { pkceCodeVerifier: verifier, expectedNonce, expectedState, idTokenExpected: true }
  const tokens = await client.authorizationCodeGrant(config, back, checks, undefined, { DPoP })
  const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP })
  const fresh = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
  const found = await client.tokenIntrospection(config, fresh.access_token)
  await client.tokenRevocation(config, fresh.refresh_token)
  const gone = await client.tokenIntrospection(config, fresh.access_token)
  return { type: tokens.token_type, subject: tokens.claims().sub, info, found, gone }
}

const methods = {
  client_secret_basic: () => client.ClientSecretBasic(settings.secret),
  client_secret_post: () => client.ClientSecretPost(settings.secret),
  client_secret_jwt: () => client.ClientSecretJwt(settings.secret),
  private_key_jwt: async () => client.PrivateKeyJwt(await importKey(settings.jwk)),
  tls_client_auth: () => client.TlsClientAuth(),
  self_signed_tls_client_auth: () => client.TlsClientAuth(),
}

async function clientCredentials() {
  const config = await configure(await methods[settings.method]())
  const tokens = await client.clientCredentialsGrant(config, { scope: 'default' })
  const found = await client.tokenIntrospection(config, tokens.access_token)
  await client.tokenRevocation(config, tokens.access_token)
  return { tokens, found, gone: await client.tokenIntrospection(config, tokens.access_token) }
}

await run({ code, clientCredentials })
