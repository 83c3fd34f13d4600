// One sign-in with one library, with a browser that runs no script; reads its task from standard input, prints what it got
// as JSON.

import { readFileSync } from "node:fs";

import { ConfidentialClientApplication, PublicClientApplication } from "@azure/msal-node";
import * as openid from "openid-client";

import { Browser } from "./scriptless.mjs";

const task = JSON.parse(readFileSync(0, "utf8"));
const authority = `${task.url}/${task.tenant}`;
const auth = { clientId: task.appId, authority, knownAuthorities: [new URL(task.url).host] };

const kinds = {
  "openid-client": async () => {
    const config = await openid.discovery(new URL(`${authority}/v2.0`), task.appId, task.secret);
    const verifier = openid.randomPKCECodeVerifier();
    const [state, nonce] = [openid.randomState(), openid.randomNonce()];
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: task.redirectUri,
      scope: `${task.scope} openid profile offline_access`,
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state,
      nonce,
      max_age: "600",
    });
    const browser = new Browser(task.url);
    const location = await browser.through(url, task);
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, maxAge: 600 };
    const tokens = await openid.authorizationCodeGrant(config, new URL(location), checks);
    const subject = tokens.claims().sub;
    const info = await openid.fetchUserInfo(config, tokens.access_token, subject);
    const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token);
    const end = openid.buildEndSessionUrl(config, {
      post_logout_redirect_uri: task.redirectUri,
      id_token_hint: tokens.id_token,
      state: "bye",
    });
    return { token: refreshed.access_token, name: info.name, left: await browser.send(end) };
  },
  "msal-node": async () => {
    const app = new ConfidentialClientApplication({ auth: { ...auth, clientSecret: task.secret } });
    const request = { scopes: [task.scope], redirectUri: task.redirectUri };
    const location = await new Browser(task.url).through(await app.getAuthCodeUrl(request), task);
    const code = new URL(location).searchParams.get("code");
    const result = await app.acquireTokenByCode({ ...request, code });
    const silent = await app.acquireTokenSilent({ account: result.account, scopes: [task.scope], forceRefresh: true });
    return { token: silent.accessToken, name: result.account.name };
  },
  // The application calls its own API, which calls the archive for the user.
  "msal-node-on-behalf-of": async () => {
    const app = new ConfidentialClientApplication({ auth: { ...auth, clientSecret: task.secret } });
    const request = { scopes: [task.scope], redirectUri: task.redirectUri };
    const location = await new Browser(task.url).through(await app.getAuthCodeUrl(request), task);
    const code = new URL(location).searchParams.get("code");
    const { account } = await app.acquireTokenByCode({ ...request, code });
    const called = await app.acquireTokenSilent({ account, scopes: [`${task.appId}/.default`], forceRefresh: true });
    const service = new ConfidentialClientApplication({ auth: { ...auth, clientSecret: task.secret } });
    const result = await service.acquireTokenOnBehalfOf({ oboAssertion: called.accessToken, scopes: [task.scope] });
    return { token: result.accessToken, name: result.account.name };
  },
  "msal-node-interactive": async () => {
    const app = new PublicClientApplication({ auth });
    const openBrowser = async (url) => {
      const browser = new Browser(task.url);
      const location = await browser.through(url, task);
      // The answer comes by form post, which a person without scripts sends on by its button.
      if (location) await fetch(location);
      else await browser.submit({});
    };
    const result = await app.acquireTokenInteractive({ scopes: [task.scope], openBrowser });
    const silent = await app.acquireTokenSilent({ account: result.account, scopes: [task.scope], forceRefresh: true });
    return { token: silent.accessToken, name: result.account.name };
  },
};

async function main() {
  const { token, ...found } = await kinds[task.kind]();
  const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString("utf8"));
  return { claims, ...found };
}

const result = await main().catch((error) => ({
  error: [error.name, error.errorCode, error.message, error.cause && JSON.stringify(error.cause)].join(" "),
}));
console.log(JSON.stringify(result));
