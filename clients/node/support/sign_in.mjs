// One sign-in with one library, with a browser that runs no script; reads its task from standard input, prints what it got
// as JSON.

import { readFileSync } from "node:fs";

import { ConfidentialClientApplication, PublicClientApplication } from "@azure/msal-node";
import * as openid from "openid-client";

const task = JSON.parse(readFileSync(0, "utf8"));
const authority = `${task.url}/${task.tenant}`;
const auth = { clientId: task.appId, authority, knownAuthorities: [new URL(task.url).host] };

/** What a person does: keeps cookies, follows redirects, fills forms in, presses buttons. */
class Browser {
  cookies = new Map();
  page = "";

  async send(url, options = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(url, { redirect: "manual", ...options, headers: { cookie } });
    for (const set of answer.headers.getSetCookie()) {
      const [name, value] = set.split(";")[0].split(/=(.*)/s);
      this.cookies.set(name, value);
    }
    if (answer.status !== 303) {
      this.page = await answer.text();
      return undefined;
    }
    const location = answer.headers.get("location");
    return location.startsWith(task.url) ? this.send(location) : location;
  }

  /** The first form, filled in. */
  async submit(fields) {
    const [, action, inside] = this.page.match(/<form method="post" action="([^"]*)">(.*?)<\/form>/s);
    const body = new URLSearchParams(fields);
    for (const [, name, value] of inside.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)) {
      body.append(name, unescape(value));
    }
    return this.send(new URL(unescape(action), task.url), { method: "POST", body });
  }

  /** All of it: sign in, consent where that is asked. */
  async through(url) {
    const known = await this.send(url);
    if (known) return known;
    const location = await this.submit({ username: task.person, password: task.password });
    if (location || !this.page.includes("asks for permissions")) return location;
    return this.submit({ decision: "accept" });
  }
}

function unescape(text) {
  return text.replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)));
}

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
    const browser = new Browser();
    const location = await browser.through(url);
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
    const location = await new Browser().through(await app.getAuthCodeUrl(request));
    const code = new URL(location).searchParams.get("code");
    const result = await app.acquireTokenByCode({ ...request, code });
    const silent = await app.acquireTokenSilent({ account: result.account, scopes: [task.scope], forceRefresh: true });
    return { token: silent.accessToken, name: result.account.name };
  },
  "msal-node-interactive": async () => {
    const app = new PublicClientApplication({ auth });
    const openBrowser = async (url) => {
      const browser = new Browser();
      const location = await browser.through(url);
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
