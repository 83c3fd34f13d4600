// npm's oidc-provider as the benchmark measures it beside Hilum: the same grants, the same kinds of tokens.
// Usage: node measured_provider.mjs; prints one line of JSON with its address and a client's credentials, then serves.
//
// What it keeps is kept in memory only, by less code than its own adapter has: nothing that it promises is durable.

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";

import { Provider } from "oidc-provider";

const audience = "https://api.example";
const redirectUri = "http://localhost:9/callback";
const client = { client_id: "measured", client_secret: randomBytes(24).toString("base64url") };

/** Everything that one kind of object needs, in maps. */
class Memory {
  static grants = new Map();
  kept = new Map();
  byUid = new Map();

  async upsert(id, payload) {
    this.kept.set(id, payload);
    if (payload.uid) this.byUid.set(payload.uid, id);
    if (payload.grantId) {
      const members = Memory.grants.get(payload.grantId) ?? new Set();
      members.add([this, id]);
      Memory.grants.set(payload.grantId, members);
    }
  }
  async find(id) {
    return this.kept.get(id);
  }
  async findByUid(uid) {
    return this.kept.get(this.byUid.get(uid));
  }
  async findByUserCode() {
    return undefined;
  }
  async consume(id) {
    const payload = this.kept.get(id);
    if (payload) payload.consumed = Math.floor(Date.now() / 1000);
  }
  async destroy(id) {
    this.kept.delete(id);
  }
  async revokeByGrantId(grantId) {
    for (const [memory, id] of Memory.grants.get(grantId) ?? []) memory.kept.delete(id);
    Memory.grants.delete(grantId);
  }
}

const server = createServer({ keepAliveTimeout: 120_000 });
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

const provider = new Provider(issuer, {
  adapter: Memory,
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "measured-1", use: "sig", alg: "RS256" }] },
  cookies: { keys: [randomBytes(24).toString("base64url")] },
  clients: [
    {
      ...client,
      grant_types: ["authorization_code", "refresh_token", "client_credentials"],
      redirect_uris: [redirectUri],
      response_types: ["code"],
      id_token_signed_response_alg: "RS256",
      token_endpoint_auth_method: "client_secret_post",
      scope: "openid profile offline_access read",
    },
  ],
  scopes: ["openid", "profile", "offline_access", "read"],
  claims: { openid: ["sub"], profile: ["name", "preferred_username"] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  // As Hilum does: every answer brings a refresh token, and every use replaces it.
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  ttl: { AccessToken: 4500, ClientCredentials: 4500, IdToken: 3600, RefreshToken: 7_776_000, Session: 86_400, Grant: 7_776_000 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: "read",
        audience,
        accessTokenFormat: "jwt",
        accessTokenTTL: 4500,
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `${id} of the hospital`, preferred_username: id }),
  }),
  // Consent was given before: found again where there was a grant, noted where there was none.
  loadExistingGrant: async (ctx) => {
    const { clientId } = ctx.oidc.client;
    const known = ctx.oidc.session.grantIdFor(clientId);
    if (known) return ctx.oidc.provider.Grant.find(known);
    const grant = new ctx.oidc.provider.Grant({ clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid profile offline_access read");
    grant.addResourceScope(audience, "read");
    await grant.save();
    return grant;
  },
  extraTokenClaims: () => ({ roles: ["globalReader"] }),
});

const answer = provider.callback();
server.on("request", async (request, response) => {
  if (!request.url.startsWith("/interaction/")) return answer(request, response);
  // Signing in is no part of what is measured: whoever is named is signed in.
  const { params } = await provider.interactionDetails(request, response);
  return provider.interactionFinished(request, response, { login: { accountId: params.login_hint } });
});
console.log(JSON.stringify({ issuer, redirectUri, ...client }));
