// Signing in by redirect through the libraries that people use: openid-client, which checks everything the standards let a
// client check, and @azure/msal-node.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { addPerson, addRedirects, startServer } from "../support/server.mjs";

const client = join(dirname(fileURLToPath(import.meta.url)), "..", "support", "sign_in.mjs");
const redirectUri = "https://reading.example/callback";
const scope = "https://dicom.healthcareapis.azure.com/Dicom.Read";
let server;

before(async () => {
  server = await startServer();
  addRedirects(server, redirectUri, "http://localhost");
});

after(() => server?.end());

/** Runs one client in a process of its own that trusts the server's CA; what it got. */
async function run(kind) {
  const person = addPerson(server, kind);
  const input = { kind, url: server.url, tenant: server.tenant, scope, redirectUri, ...server.client, ...person };
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: server.ca };
  const child = promisify(execFile)(process.execPath, [client], { env, encoding: "utf8", timeout: 60_000 });
  child.child.stdin.end(JSON.stringify(input));
  const result = JSON.parse((await child).stdout);
  assert.equal(result.error, undefined, JSON.stringify(result));
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
