// An OpenID Connect provider from npm (oidc-provider) with people who sign in at its own pages.
// Usage: node provider.mjs; prints one line of JSON with its address and a client's credentials, then reads one line with the
// client's redirect URI and serves.

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

import { Provider } from "oidc-provider";

const client = { client_id: "hilum", client_secret: randomBytes(24).toString("base64url") };

const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
console.log(JSON.stringify({ issuer, ...client }));
const redirectUri = await new Promise((resolve) => createInterface({ input: process.stdin }).once("line", resolve));

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

const provider = new Provider(issuer, {
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "provider-1", use: "sig", alg: "ES256" }] },
  clients: [
    { ...client, redirect_uris: [redirectUri], response_types: ["code"], id_token_signed_response_alg: "ES256" },
  ],
  claims: { openid: ["sub"], profile: ["name", "given_name"], email: ["email", "email_verified"] },
  pkce: { required: () => true },
  cookies: { keys: [randomBytes(24).toString("base64url")] },
  // Whoever signs in is called what they typed: "eve?" has an address that nobody verified.
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: `${id} of the hospital`,
      email: `${id.replace("?", "")}@hospital.example`,
      email_verified: !id.endsWith("?"),
    }),
  }),
});

server.on("request", provider.callback());
console.log("serving");
