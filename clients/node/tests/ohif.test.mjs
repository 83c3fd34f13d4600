// The OpenID Connect clients of the OHIF viewer, configured as OHIF 3.13 configures them from its `oidc` key: oidc-client-ts
// for `response_type: "code"`, the older oidc-client for everything else.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { startChromium } from "../support/chromium.mjs";
import { form, through } from "../support/person.mjs";
import { addPageApplication, addPerson, manage, startServer } from "../support/server.mjs";
import { page as html, startSite } from "../support/site.mjs";

const SCOPE = "https://dicom.healthcareapis.azure.com/Dicom.Read";

let site;
let secure;
let server;
let chromium;

before(async () => {
  site = await startSite({});
  server = await startServer({ config: `[dicom.cors]\norigins = ["${site.origin}"]\n` });
  const [key, cert] = ["server-key.pem", "server.pem"].map((file) => readFileSync(join(server.data, "tls", file)));
  secure = await startSite({}, { key, cert });
  chromium = await startChromium(server.ca);
});

after(async () => {
  await chromium?.end();
  await Promise.all([site, secure].map((one) => one?.end()));
  await server?.end();
});

/** Serves a viewer with this configuration: its start page, where people come back, and the page of the hidden frame. */
function viewer(site, library, settings) {
  const loads = { code: ["/oidc-client-ts.js"], legacy: ["/oidc-client.js"] }[library];
  const namespace = { code: "oidc", legacy: "Oidc" }[library];
  const manager = `window.manager = new ${namespace}.UserManager(${JSON.stringify(settings)});`;
  site.pages["/"] = html(loads, manager);
  site.pages["/callback"] = html(loads, `${manager} window.user = window.manager.signinRedirectCallback();`);
  site.pages["/silent-refresh.html"] = html(["/oidc-client.js"], "new Oidc.UserManager().signinSilentCallback()");
}

/** What OHIF makes of relative addresses. */
function addresses(site) {
  return {
    authority: `${server.url}/${server.tenant}/v2.0`,
    redirect_uri: `${site.origin}/callback`,
    silent_redirect_uri: `${site.origin}/silent-refresh.html`,
    post_logout_redirect_uri: `${site.origin}/`,
  };
}

/** Opens the viewer and signs somebody in; the page, and the user as the library knows it. */
async function enter(context, site, somebody) {
  const page = await context.newPage();
  await page.goto(`${site.origin}/`);
  await page.evaluate(() => void window.manager.signinRedirect());
  await page.waitForURL((url) => url.origin === server.url);
  await through(page, server.url, somebody);
  await page.waitForURL((url) => url.pathname === "/callback");
  return { page, user: await known(page) };
}

const known = (page) =>
  page.evaluate(() =>
    window.user.then(
      ({ access_token, refresh_token, profile, scope }) => ({ access_token, refresh_token, profile, scope }),
      (error) => ({ error: error.message }),
    ),
  );

function search(page, token) {
  return page.evaluate(async ([url, token]) => {
    const headers = { authorization: `Bearer ${token}`, accept: "application/dicom+json" };
    return (await fetch(`${url}/dicom/v2/studies?limit=1`, { headers })).status;
  }, [server.url, token]);
}

/** What a renewal gives. */
function renew(page) {
  return page.evaluate(() =>
    window.manager.signinSilent().then(
      ({ access_token, refresh_token }) => ({ access_token, refresh_token }),
      (error) => ({ error: error.message }),
    ),
  );
}

/** Leaves through Hilum, and comes back without a session there. */
async function leave(page, site) {
  await page.evaluate(() => void window.manager.signoutRedirect());
  await page.waitForURL(`${site.origin}/`);
  assert.equal(await page.evaluate(() => window.manager.getUser()), null);
  await page.evaluate(() => void window.manager.signinRedirect());
  await form(page, "sign-in").waitFor();
}

test("code flow: oidc-client-ts", async () => {
  const { redirect_uri, post_logout_redirect_uri } = addresses(site);
  const client_id = addPageApplication(server, [redirect_uri, post_logout_redirect_uri], "viewer");
  viewer(site, "code", {
    ...addresses(site),
    client_id,
    response_type: "code",
    scope: `openid profile offline_access ${SCOPE}`,
    revokeTokensOnSignout: true,
    filterProtocolClaims: true,
    loadUserInfo: true,
  });
  const somebody = addPerson(server, "viewer");
  const context = await chromium.person();
  const { page, user } = await enter(context, site, somebody);
  assert.equal(user.error, undefined);
  assert.equal(user.profile.name, "viewer");
  assert.ok([200, 204].includes(await search(page, user.access_token)));

  const renewed = await renew(page);
  assert.equal(renewed.error, undefined);
  assert.notEqual(renewed.access_token, user.access_token);
  assert.notEqual(renewed.refresh_token, user.refresh_token, "refresh tokens rotate");
  assert.ok([200, 204].includes(await search(page, renewed.access_token)));
  // OHIF's default: it gives the tokens back, and then leaves.
  const given = [];
  page.on("response", (response) => {
    if (response.url().endsWith("/revoke")) given.push(response.status());
  });
  await leave(page, site);
  assert.deepEqual(given, [200, 200]);
  await context.close();
});

test("implicit flow, where the registration switches it on, on the same site: oidc-client", async () => {
  const { redirect_uri, silent_redirect_uri, post_logout_redirect_uri } = addresses(secure);
  const app = manage(server, "app", "create", "--display-name", "older viewer", "--web-redirect-uris",
    ...[redirect_uri, silent_redirect_uri, post_logout_redirect_uri],
    ...["--enable-id-token-issuance", "true", "--enable-access-token-issuance", "true"]);
  manage(server, "sp", "create", "--id", app.appId);
  viewer(secure, "legacy", {
    ...addresses(secure),
    client_id: app.appId,
    response_type: "id_token token",
    scope: `openid profile ${SCOPE}`,
    automaticSilentRenew: true,
    revokeAccessTokenOnSignout: true,
    filterProtocolClaims: true,
  });
  const somebody = addPerson(server, "older");
  const context = await chromium.person();
  const { page, user } = await enter(context, secure, somebody);
  assert.equal(user.error, undefined);
  assert.equal(user.profile.name, "older");

  // There is no refresh token here: the viewer renews in a hidden frame, which needs the same site.
  const renewed = await renew(page);
  assert.equal(renewed.error, undefined);
  assert.notEqual(renewed.access_token, user.access_token);
  await leave(page, secure);
  await context.close();
});
