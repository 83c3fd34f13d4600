// oauth4webapi, which asserts what the standards let a client assert and forgives nothing.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { runApart } from "../support/apart.mjs";
import { addRedirects, startServer } from "../support/server.mjs";

const redirectUri = "https://reading.example/callback";
const scope = "https://dicom.healthcareapis.azure.com/Dicom.Read";
let server;

before(async () => {
  server = await startServer();
  addRedirects(server, redirectUri, "http://localhost");
});

after(() => server?.end());

const run = (kind) => runApart("oauth4webapi.mjs", server, { kind, scope, redirectUri });

test("code with PKCE, nonce, maximal age and issuer; user info, refreshing, signing out", async () => {
  const { claims, subjects, refreshed, left, person } = await run("code");
  assert.equal(claims.upn, person.person);
  assert.equal(claims.scp, "Dicom.Read");
  assert.equal(subjects.idToken, subjects.userInfo);
  assert.equal(refreshed.upn, person.person);
  assert.equal(left, `${redirectUri}?state=bye`);
});

test("an answer of another issuer, and one without its issuer, are refused (RFC 9207)", async () => {
  const { refusals } = await run("mix-up");
  assert.equal(refusals.length, 2);
  for (const refusal of refusals) assert.match(refusal, /"iss"/);
});

test("client credentials", async () => {
  const { claims } = await run("client-credentials");
  assert.equal(claims.idtyp ?? "app", "app");
  assert.deepEqual(claims.roles, ["DICOM Data Owner"]);
});

test("device code", async () => {
  const { claims, pending, person } = await run("device-code");
  assert.equal(pending, "authorization_pending");
  assert.equal(claims.upn, person.person);
});
