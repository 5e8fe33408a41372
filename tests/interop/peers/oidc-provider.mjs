// An issuer made with oidc-provider: client credentials, RFC 9068 access tokens for one resource, keys of three kinds. Port: argument.
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const key = (type, options, extra) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), use: 'sig', ...extra });
const resource = 'urn:orders';
const provider = new Provider(issuer, {
  clients: ['RS256', 'ES256', 'PS256'].map((alg) => ({
    client_id: `client-${alg}`,
    client_secret: 'secret',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  })),
  jwks: {
    keys: [
      key('rsa', { modulusLength: 2048 }, { kid: 'rsa', alg: 'RS256' }),
      key('rsa', { modulusLength: 2048 }, { kid: 'pss', alg: 'PS256' }),
      key('ec', { namedCurve: 'P-256' }, { kid: 'ec', alg: 'ES256' }),
    ],
  },
  scopes: ['items:read', 'apk:api_create'],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      getResourceServerInfo: (ctx, indicator, client) => ({
        scope: 'items:read apk:api_create',
        audience: indicator,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: client.clientId.slice('client-'.length) } },
      }),
    },
  },
});
provider.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ issuer })));
