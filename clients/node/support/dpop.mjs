// Tokens bound to a key (RFC 9449), and requests that go ahead of their user (RFC 9126), with openid-client and oauth4webapi;
// reads its task from standard input, prints what it got as JSON.

import { readFileSync } from "node:fs";

import * as oauth from "oauth4webapi";
import * as openid from "openid-client";

import { Browser } from "./scriptless.mjs";

const task = JSON.parse(readFileSync(0, "utf8"));
const issuer = new URL(`${task.url}/${task.tenant}/v2.0`);
const studies = new URL(`${task.url}/dicom/v2/studies?limit=1`);
const accept = { accept: "application/dicom+json" };

function claimsOf(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString("utf8"));
}

/** What a search of the DICOM service says to a request made by hand. */
async function search(scheme, token, proof) {
  const headers = { ...accept, authorization: `${scheme} ${token}`, ...(proof && { dpop: proof }) };
  const answer = await fetch(studies, { headers });
  return { status: answer.status, challenge: answer.headers.get("www-authenticate") };
}

/** What a library says of a refusal. */
async function refusal(attempt) {
  return attempt.then(
    () => "none",
    (error) => error.error ?? error.cause?.[0]?.parameters?.error ?? error.code ?? error.message,
  );
}

/** Signs somebody in with openid-client, the request pushed; `secret` or nothing, as the client has. */
async function signIn(secret, redirectUri, algorithm) {
  const proof = secret ? openid.ClientSecretPost(secret) : openid.None();
  const config = await openid.discovery(issuer, task.appId, undefined, proof);
  const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair(algorithm));
  const verifier = openid.randomPKCECodeVerifier();
  const state = openid.randomState();
  const asked = {
    redirect_uri: redirectUri,
    scope: `${task.scope} openid profile offline_access`,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
  };
  const url = await openid.buildAuthorizationUrlWithPAR(config, asked, { DPoP });
  const back = new URL(await new Browser(task.url).through(url, task));
  const checks = { pkceCodeVerifier: verifier, expectedState: state };
  // Bound when it was pushed: it is worth nothing to who has another key.
  const thief = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair(algorithm));
  const stolen = await refusal(openid.authorizationCodeGrant(config, back, checks, undefined, { DPoP: thief }));
  const tokens = await openid.authorizationCodeGrant(config, back, checks, undefined, { DPoP });
  return { config, DPoP, thief, url, stolen, tokens };
}

const kinds = {
  "openid-client": async () => {
    const { config, DPoP, thief, url, stolen, tokens } = await signIn(task.secret, task.redirectUri, "ES256");
    const info = await openid.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP });
    const fetchStudies = (token, handle) =>
      openid.fetchProtectedResource(config, token, studies, "GET", undefined, new Headers(accept), { DPoP: handle });
    const found = await fetchStudies(tokens.access_token, DPoP);
    const next = await openid.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
    const again = await fetchStudies(next.access_token, DPoP);
    const robbed = await refusal(fetchStudies(next.access_token, thief));
    const told = await openid.tokenIntrospection(config, next.refresh_token);
    await openid.tokenRevocation(config, next.refresh_token);
    const revoked = await refusal(openid.refreshTokenGrant(config, next.refresh_token, undefined, { DPoP }));
    const after = await openid.tokenIntrospection(config, next.refresh_token);
    return {
      pushed: [...url.searchParams.keys()].sort(),
      stolen,
      type: tokens.token_type,
      claims: claimsOf(next.access_token),
      key: await DPoP.calculateThumbprint(),
      name: info.name,
      statuses: [found.status, again.status],
      robbed,
      bearer: await search("Bearer", next.access_token),
      introspected: [told.active, after.active],
      revoked,
    };
  },
  "openid-client-desktop": async () => {
    const { config, DPoP, thief, stolen, tokens } = await signIn(undefined, task.desktopUri, "RS256");
    const refresh = (options) => openid.refreshTokenGrant(config, tokens.refresh_token, undefined, options);
    const robbed = [await refusal(refresh({ DPoP: thief })), await refusal(refresh({}))];
    const next = await refresh({ DPoP });
    return { stolen, robbed, type: next.token_type, claims: claimsOf(next.access_token) };
  },
  oauth4webapi: async () => {
    const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer));
    const client = { client_id: task.appId };
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair("PS256"));
    const secret = oauth.ClientSecretPost(task.secret);
    let nonces = 0;
    // Once more with the nonce that the server asks for, as the library's examples do it.
    const twice = async (attempt) => {
      try {
        return await attempt();
      } catch (error) {
        if (!oauth.isDPoPNonceError(error)) throw error;
        nonces += 1;
        return attempt();
      }
    };
    const tokens = await twice(async () => {
      const parameters = { scope: "https://dicom.healthcareapis.azure.com/.default" };
      const asked = await oauth.clientCredentialsGrantRequest(server, client, secret, parameters, { DPoP });
      return oauth.processClientCredentialsResponse(server, client, asked);
    });
    const sent = [];
    const watched = (url, options) => {
      sent.push(options.headers.dpop);
      return fetch(url, options);
    };
    const resource = await twice(() =>
      oauth.protectedResourceRequest(tokens.access_token, "GET", studies, new Headers(accept), undefined, {
        DPoP,
        [oauth.customFetch]: watched,
      }),
    );
    const [copied] = sent.slice(-1);
    return {
      type: tokens.token_type,
      claims: claimsOf(tokens.access_token),
      key: await DPoP.calculateThumbprint(),
      status: resource.status,
      nonces,
      copy: await search("DPoP", tokens.access_token, copied),
      bare: await search("DPoP", tokens.access_token),
      bearer: await search("Bearer", tokens.access_token, copied),
      algorithms: server.dpop_signing_alg_values_supported,
    };
  },
};

const result = await kinds[task.kind]().catch((error) => ({
  error: [error.name, error.code, error.message, error.cause && JSON.stringify(error.cause), error.stack].join(" "),
}));
console.log(JSON.stringify(result));
