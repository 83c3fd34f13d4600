// Client credentials through the libraries that people use: @azure/msal-node and openid-client.
// Node reads extra CAs only at its start, so the clients run in child processes with NODE_EXTRA_CA_CERTS.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { SCOPE, addCertificate, startServer } from "../support/server.mjs";

const client = join(dirname(fileURLToPath(import.meta.url)), "..", "support", "client.mjs");
let server;
let certificate;

before(async () => {
  server = await startServer();
  certificate = makeCertificate();
  addCertificate(server, certificate.file);
});

after(() => server?.end());

/** A self-signed certificate, made by openssl as the articles do. */
function makeCertificate() {
  const folder = mkdtempSync(join(tmpdir(), "hilum-certificate-"));
  const [file, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  execFileSync("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=node client"],
    ...["-keyout", keyFile, "-out", file],
  ], { stdio: "ignore" });
  const pem = readFileSync(file, "utf8");
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");
  const digest = (name) => createHash(name).update(der).digest("hex").toUpperCase();
  return { file, pem, key: readFileSync(keyFile, "utf8"), sha1: digest("sha1"), sha256: digest("sha256") };
}

/** Runs one client in a process of its own that trusts the server's CA; what it got. */
function run(kind, options = {}) {
  const input = JSON.stringify({ kind, url: server.url, tenant: server.tenant, scope: SCOPE, ...server.client, ...options });
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: server.ca };
  return JSON.parse(execFileSync(process.execPath, [client], { input, env, encoding: "utf8", timeout: 60_000 }));
}

function assertUsable(result) {
  assert.equal(result.error, undefined, JSON.stringify(result));
  assert.equal(result.claims.tid, server.tenant);
  assert.equal(result.claims.appid, server.client.appId);
  assert.ok([200, 204].includes(result.search), `search answered ${result.search}`);
}

test("msal-node with a secret", () => assertUsable(run("msal-secret")));

test("msal-node with a certificate by its SHA-1 thumbprint", () =>
  assertUsable(run("msal-certificate", { certificate: { thumbprint: certificate.sha1, privateKey: certificate.key } })));

test("msal-node with a certificate by its SHA-256 thumbprint and its public part", () =>
  assertUsable(
    run("msal-certificate", {
      certificate: { thumbprintSha256: certificate.sha256, privateKey: certificate.key, x5c: certificate.pem },
    }),
  ));

test("msal-node in OIDC mode", () => assertUsable(run("msal-oidc")));

test("msal-node reports a wrong secret", () => {
  const result = run("msal-secret", { secret: "wrong" });
  assert.match(result.error, /7000215/);
});

test("openid-client with the secret in the body", () => assertUsable(run("openid-post")));

test("openid-client with Basic authentication", () => assertUsable(run("openid-basic")));

test("openid-client with a signed assertion", () =>
  assertUsable(run("openid-assertion", { certificate: { privateKey: certificate.key } })));
