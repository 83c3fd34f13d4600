// Signing in by redirect through the libraries that people use: openid-client, which checks everything the standards let a
// client check, and @azure/msal-node.

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

async function run(kind) {
  const { person, ...result } = await runApart("sign_in.mjs", server, { kind, scope, redirectUri });
  assert.equal(result.claims.upn, person.person);
  assert.equal(result.claims.scp, "Dicom.Read");
  assert.equal(result.name, kind);
  return result;
}

test("openid-client: code, user info, refreshing, signing out", async () => {
  const result = await run("openid-client");
  assert.equal(result.claims.appidacr, "1");
  assert.equal(result.left, `${redirectUri}?state=bye`);
});

test("msal-node as a web application", async () => {
  assert.equal((await run("msal-node")).claims.appidacr, "1");
});

test("msal-node on behalf of the user who called", async () => {
  assert.equal((await run("msal-node-on-behalf-of")).claims.appidacr, "1");
});

test("msal-node on a desktop", async () => {
  assert.equal((await run("msal-node-interactive")).claims.appidacr, "0");
});
