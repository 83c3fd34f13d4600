// One flow with oauth4webapi; reads its task from standard input, prints what it got as JSON.

import { readFileSync } from "node:fs";

import * as oauth from "oauth4webapi";

import { Browser } from "./scriptless.mjs";

const task = JSON.parse(readFileSync(0, "utf8"));
const issuer = new URL(`${task.url}/${task.tenant}/v2.0`);
const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer));
const client = { client_id: task.appId };
const secret = oauth.ClientSecretPost(task.secret);

function claimsOf(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString("utf8"));
}

/** Signs the person in; where the browser comes back, and what the client has to remember. */
async function authorize() {
  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: client.client_id,
    response_type: "code",
    redirect_uri: task.redirectUri,
    scope: `openid profile offline_access ${task.scope}`,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    max_age: "600",
    state,
    nonce,
  });
  const browser = new Browser(task.url);
  const back = new URL(await browser.through(url, task));
  return { browser, back, verifier, state, nonce };
}

const kinds = {
  code: async () => {
    const { browser, back, verifier, state, nonce } = await authorize();
    const answer = oauth.validateAuthResponse(server, client, back, state);
    const redeemed = await oauth.authorizationCodeGrantRequest(server, client, secret, answer, task.redirectUri, verifier);
    const expected = { expectedNonce: nonce, maxAge: 600, requireIdToken: true };
    const tokens = await oauth.processAuthorizationCodeResponse(server, client, redeemed, expected);
    await oauth.validateApplicationLevelSignature(server, redeemed);
    const { sub } = oauth.getValidatedIdTokenClaims(tokens);
    const asked = await oauth.userInfoRequest(server, client, tokens.access_token);
    const info = await oauth.processUserInfoResponse(server, client, sub, asked);
    const again = await oauth.refreshTokenGrantRequest(server, client, secret, tokens.refresh_token);
    const refreshed = await oauth.processRefreshTokenResponse(server, client, again);
    const end = new URL(server.end_session_endpoint);
    end.search = new URLSearchParams({
      post_logout_redirect_uri: task.redirectUri,
      id_token_hint: tokens.id_token,
      state: "bye",
    });
    return {
      claims: claimsOf(tokens.access_token),
      subjects: { idToken: sub, userInfo: info.sub },
      refreshed: claimsOf(refreshed.access_token),
      left: await browser.send(end),
    };
  },
  "mix-up": async () => {
    const { back, state } = await authorize();
    const foreign = new URL(back);
    foreign.searchParams.set("iss", "https://login.evil.example");
    const silent = new URL(back);
    silent.searchParams.delete("iss");
    const refusals = [foreign, silent].flatMap((answer) => {
      try {
        oauth.validateAuthResponse(server, client, answer, state);
        return [];
      } catch (error) {
        return [error.message];
      }
    });
    oauth.validateAuthResponse(server, client, back, state);
    return { refusals };
  },
  "client-credentials": async () => {
    const parameters = { scope: "https://dicom.healthcareapis.azure.com/.default" };
    const asked = await oauth.clientCredentialsGrantRequest(server, client, secret, parameters);
    const tokens = await oauth.processClientCredentialsResponse(server, client, asked);
    return { claims: claimsOf(tokens.access_token) };
  },
  "device-code": async () => {
    const begun = await oauth.deviceAuthorizationRequest(server, client, secret, { scope: `openid ${task.scope}` });
    const device = await oauth.processDeviceAuthorizationResponse(server, client, begun);
    const poll = async () => {
      const asked = await oauth.deviceCodeGrantRequest(server, client, secret, device.device_code);
      return oauth.processDeviceCodeResponse(server, client, asked);
    };
    const pending = await poll().then(() => "none", (error) => error.error ?? error.message);
    await new Browser(task.url).through(device.verification_uri, { ...task, code: device.user_code });
    await new Promise((resolve) => setTimeout(resolve, device.interval * 1000));
    return { pending, claims: claimsOf((await poll()).access_token) };
  },
};

const result = await kinds[task.kind]().catch((error) => ({
  error: [error.name, error.code, error.message, error.cause && JSON.stringify(error.cause)].join(" "),
}));
console.log(JSON.stringify(result));
