// npm oidc-provider with RS256 JWT access tokens: the client credentials grant, and the code flow of a person who is signed in already.
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, clientId, clientSecret] = process.argv.slice(2);
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "peer" }] },
  clients: [
    { client_id: clientId, client_secret: clientSecret, grant_types: ["client_credentials"], redirect_uris: [], response_types: [] },
    { client_id: "code", client_secret: clientSecret, grant_types: ["authorization_code", "refresh_token"], redirect_uris: ["https://client.example/cb"] },
  ],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx) => (ctx.oidc.body?.opaque || ctx.query?.opaque ? undefined : "urn:benchmark"),
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: "default", audience: "benchmark", accessTokenFormat: "jwt", accessTokenTTL: 3600, jwt: { sign: { alg: "RS256" } } }),
    },
  },
  scopes: ["openid", "default"],
  pkce: { required: () => false },
  rotateRefreshToken: true,
  issueRefreshToken: () => true,
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (ctx, interaction) => `/sign-in/${interaction.uid}` },
  async loadExistingGrant(ctx) {
    const existing = ctx.oidc.session.grantIdFor(ctx.oidc.client.clientId);
    const grant = existing ? await ctx.oidc.provider.Grant.find(existing) : undefined;
    if (grant) return grant;
    const made = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    made.addOIDCScope("openid default");
    made.addResourceScope("urn:benchmark", "default");
    await made.save();
    return made;
  },
});
// The person signs in by opening the page.
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith("/sign-in/")) return next();
  ctx.respond = false;
  await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: "person" } });
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
