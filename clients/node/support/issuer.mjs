// An OpenID Connect issuer from npm (oidc-provider) that gives client-credentials tokens as signed JWTs with roles.
// Usage: node issuer.mjs AUDIENCE; prints one line of JSON with its address and a client's credentials, then serves.

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";

import { Provider } from "oidc-provider";

const audience = process.argv[2] ?? "https://dicom.example";
const client = { client_id: "modality-1", client_secret: randomBytes(24).toString("base64url") };

const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

const provider = new Provider(issuer, {
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "issuer-1", use: "sig", alg: "RS256" }] },
  clients: [
    { ...client, grant_types: ["client_credentials"], redirect_uris: [], response_types: [], scope: "read" },
  ],
  scopes: ["read"],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        scope: "read",
        audience,
        accessTokenFormat: "jwt",
        accessTokenTTL: 600,
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
  extraTokenClaims: () => ({ roles: ["globalReader"] }),
});

server.on("request", provider.callback());
console.log(JSON.stringify({ issuer, ...client }));
