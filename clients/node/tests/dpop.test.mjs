// Tokens that are worth nothing without a key (DPoP, RFC 9449), and pushed requests (RFC 9126), with the libraries that speak
// both: openid-client and oauth4webapi. Against a server as it comes, and one that demands its nonces.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { runApart } from "../support/apart.mjs";
import { addRedirects, startServer } from "../support/server.mjs";

const redirectUri = "https://reading.example/callback";
const scope = "https://dicom.healthcareapis.azure.com/Dicom.Read";

for (const demanded of [false, true]) {
  describe(demanded ? "nonces are demanded" : "nonces are not demanded", () => {
    let server;

    before(async () => {
      server = await startServer({ config: `[access]\ndpop_nonce_required = ${demanded}\n` });
      addRedirects(server, redirectUri, "http://localhost/back");
    });

    after(() => server?.end());

    const where = { redirectUri, desktopUri: "http://localhost:49152/back" };
    const run = (kind) => runApart("dpop.mjs", server, { kind, scope, ...where });

    test("openid-client: a pushed request, a bound code, user info, DICOM, refreshing, revocation", async () => {
      const result = await run("openid-client");
      assert.deepEqual(result.pushed, ["client_id", "request_uri"]);
      assert.equal(result.stolen, "invalid_grant");
      assert.equal(result.type.toLowerCase(), "dpop");
      assert.equal(result.claims.cnf.jkt, result.key);
      assert.equal(result.claims.upn, result.person.person);
      assert.equal(result.name, "openid-client");
      // Nothing is stored yet.
      assert.deepEqual(result.statuses, [204, 204]);
      assert.equal(result.robbed, "invalid_dpop_proof");
      assert.equal(result.bearer.status, 401);
      assert.match(result.bearer.challenge, /^Bearer .*error="invalid_token".*, DPoP algs="ES256 ES384 PS256 RS256"$/);
      assert.deepEqual(result.introspected, [true, false]);
      assert.equal(result.revoked, "invalid_grant");
    });

    test("openid-client on a desktop: the refresh token is bound to the key", async () => {
      const result = await run("openid-client-desktop");
      assert.equal(result.stolen, "invalid_grant");
      assert.deepEqual(result.robbed, ["invalid_grant", "invalid_grant"]);
      assert.equal(result.type.toLowerCase(), "dpop");
      assert.equal(result.claims.upn, result.person.person);
    });

    test("oauth4webapi: client credentials; a copied proof, none at all, and the token as a bearer's are refused", async () => {
      const result = await run("oauth4webapi");
      assert.equal(result.type.toLowerCase(), "dpop");
      assert.equal(result.claims.cnf.jkt, result.key);
      assert.equal(result.status, 204);
      // The token endpoint's is good for the DICOM service: the origin is the same.
      assert.equal(result.nonces, demanded ? 1 : 0);
      for (const { status, challenge } of [result.copy, result.bare]) {
        assert.equal(status, 401);
        assert.match(challenge, /^DPoP .*error="invalid_dpop_proof"/);
      }
      assert.equal(result.bearer.status, 401);
      assert.match(result.bearer.challenge, /^Bearer .*error="invalid_token"/);
      assert.deepEqual(result.algorithms, ["ES256", "ES384", "PS256", "RS256"]);
    });
  });
}
