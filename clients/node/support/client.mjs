// One client-credentials token with one library; reads its task from standard input, prints what it got as JSON.

import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";

import { ConfidentialClientApplication } from "@azure/msal-node";
import * as openid from "openid-client";

const task = JSON.parse(readFileSync(0, "utf8"));
const authority = `${task.url}/${task.tenant}`;

function msal(auth) {
  return new ConfidentialClientApplication({
    auth: { clientId: task.appId, authority, knownAuthorities: [new URL(task.url).host], ...auth },
  });
}

async function withMsal(auth) {
  const result = await msal(auth).acquireTokenByClientCredential({ scopes: [task.scope] });
  return result.accessToken;
}

async function withOpenId(authentication) {
  const config = await openid.discovery(new URL(`${authority}/v2.0`), task.appId, undefined, authentication);
  const result = await openid.clientCredentialsGrant(config, { scope: task.scope });
  return result.access_token;
}

async function privateKey() {
  const pkcs8 = createPrivateKey(task.certificate.privateKey).export({ type: "pkcs8", format: "der" });
  return crypto.subtle.importKey("pkcs8", pkcs8, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, false, ["sign"]);
}

const kinds = {
  "msal-secret": () => withMsal({ clientSecret: task.secret }),
  "msal-certificate": () => withMsal({ clientCertificate: task.certificate }),
  "msal-oidc": async () => {
    const application = new ConfidentialClientApplication({
      auth: { clientId: task.appId, clientSecret: task.secret, authority: `${authority}/v2.0`, knownAuthorities: [new URL(task.url).host] },
      system: { protocolMode: "OIDC" },
    });
    return (await application.acquireTokenByClientCredential({ scopes: [task.scope] })).accessToken;
  },
  "openid-post": () => withOpenId(openid.ClientSecretPost(task.secret)),
  "openid-basic": () => withOpenId(openid.ClientSecretBasic(task.secret)),
  "openid-assertion": async () => withOpenId(openid.PrivateKeyJwt(await privateKey())),
};

async function main() {
  const token = await kinds[task.kind]();
  const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString("utf8"));
  const search = await fetch(`${task.url}/dicom/v2/studies?limit=1`, {
    headers: { authorization: `Bearer ${token}`, accept: "application/dicom+json" },
  });
  return { claims, search: search.status };
}

const result = await main().catch((error) => ({
  error: [error.name, error.errorCode, error.message, error.cause && JSON.stringify(error.cause)].join(" "),
}));
console.log(JSON.stringify(result));
