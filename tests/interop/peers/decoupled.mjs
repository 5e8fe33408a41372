// npm openid-client: device codes and CIBA. Tells what a person must decide on elsewhere, then what it got.
import * as client from 'openid-client'
import { converse, fetchThrough, hear, say } from './client.mjs'

await converse(async ({ issuer, clientId, secret }) => {
  const config = await client.discovery(new URL(issuer), clientId, secret, undefined, { [client.customFetch]: fetchThrough })
  const device = await client.initiateDeviceAuthorization(config, { scope: 'openid a' })
  say({ open: device.verification_uri_complete, code: device.user_code })
  await hear()
  const fromDevice = await client.pollDeviceAuthorizationGrant(config, device)
  const asked = await client.initiateBackchannelAuthentication(config, { scope: 'openid', login_hint: 'org1user', binding_message: 'W4SCT' })
  say({ asked: asked.expires_in })
  await hear()
  const fromCiba = await client.pollBackchannelAuthenticationGrant(config, asked)
  say({ device: fromDevice.claims(), ciba: fromCiba.claims(), scope: fromDevice.scope })
})
