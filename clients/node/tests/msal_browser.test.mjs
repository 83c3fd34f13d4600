// @azure/msal-browser in Chromium: a single-page application signs people in, gets tokens, uses them, signs people out.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { startChromium } from "../support/chromium.mjs";
import { decide, form, signIn, through } from "../support/person.mjs";
import { addPageApplication, addPerson, startServer } from "../support/server.mjs";
import { page as html, startSite } from "../support/site.mjs";

const SCOPE = "https://dicom.healthcareapis.azure.com/Dicom.Read";
const HOUR_MS = 3_600_000;

let site;
let secure;
let server;
let chromium;
let clientId;

before(async () => {
  site = await startSite({ "/redirect.html": html(["/msal-redirect-bridge.js"], "msalRedirectBridge.broadcastResponseToMainFrame()") });
  server = await startServer({ config: `[dicom.cors]\norigins = ["${site.origin}"]\n` });
  const [key, cert] = ["server-key.pem", "server.pem"].map((file) => readFileSync(join(server.data, "tls", file)));
  secure = await startSite({ "/redirect.html": site.pages["/redirect.html"] }, { key, cert });
  clientId = addPageApplication(server, [site, secure].flatMap(({ origin }) => [`${origin}/redirect.html`, `${origin}/`]));
  for (const { origin, pages } of [site, secure]) pages["/"] = application(origin);
  chromium = await startChromium(server.ca);
});

after(async () => {
  await chromium?.end();
  await Promise.all([site, secure].map((one) => one?.end()));
  await server?.end();
});

/** The application's page, as MSAL's own documentation has it. */
function application(origin) {
  const config = {
    auth: {
      clientId,
      authority: `${server.url}/${server.tenant}`,
      knownAuthorities: [new URL(server.url).host],
      redirectUri: `${origin}/redirect.html`,
      postLogoutRedirectUri: `${origin}/`,
    },
    cache: { cacheLocation: "localStorage" },
  };
  return html(["/msal-browser.js"], `
    window.ready = msal.createStandardPublicClientApplication(${JSON.stringify(config)}).then(async (app) => {
      window.app = app;
      window.answer = await app.handleRedirectPromise();
    });`);
}

async function open(context, { origin }) {
  const page = await context.newPage();
  await page.goto(`${origin}/`);
  await page.evaluate(() => window.ready);
  return page;
}

/** What one of MSAL's functions returns or throws. */
function call(page, name, request) {
  return page.evaluate(async ([name, request]) => {
    await window.ready;
    const account = window.app.getAllAccounts()[0];
    try {
      const { accessToken, idTokenClaims, fromCache } = await window.app[name]({ account, ...request });
      return { accessToken, idTokenClaims, fromCache };
    } catch (error) {
      return { error: error.errorCode, kind: error.name, message: error.message };
    }
  }, [name, request]);
}

const silently = (page, request) => call(page, "acquireTokenSilent", { scopes: [SCOPE], ...request });

function claims(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString("utf8"));
}

/** Signs in by redirect, until MSAL has the tokens. */
async function signInByRedirect(page, { origin }, somebody) {
  const going = page.waitForURL((url) => url.origin === server.url);
  // The page is left before the function ends.
  await page.evaluate((scope) => void window.app.loginRedirect({ scopes: [scope] }), SCOPE);
  await going;
  await through(page, server.url, somebody);
  await page.waitForURL(`${origin}/`);
  return page.evaluate(async () => {
    await window.ready;
    return { accessToken: window.answer?.accessToken, idTokenClaims: window.answer?.idTokenClaims };
  });
}

/** The status of a search from within the page: preflight, token, and reading the answer. */
function search(page, token, url = server.url) {
  return page.evaluate(async ([url, token]) => {
    const headers = { authorization: `Bearer ${token}`, accept: "application/dicom+json" };
    const answer = await fetch(`${url}/dicom/v2/studies?limit=1`, { headers }).catch((error) => ({ status: error.name }));
    return answer.status;
  }, [url, token]);
}

test("by redirect: tokens, cache, refreshing, the DICOM service, signing out", async () => {
  const somebody = addPerson(server, "redirect");
  const context = await chromium.person();
  const page = await open(context, site);
  const first = await signInByRedirect(page, site, somebody);
  assert.equal(claims(first.accessToken).upn, somebody.person);
  assert.equal(claims(first.accessToken).scp, "Dicom.Read");
  assert.equal(first.idTokenClaims.preferred_username, somebody.person);

  const cached = await silently(page);
  assert.deepEqual([cached.fromCache, cached.accessToken], [true, first.accessToken]);
  const renewed = await silently(page, { forceRefresh: true });
  assert.equal(renewed.error, undefined, JSON.stringify(renewed));
  assert.notEqual(renewed.accessToken, first.accessToken);
  assert.ok([200, 204].includes(await search(page, renewed.accessToken)));
  assert.equal(await search(page, "not.a.token"), 401, "refusals can be read, too");

  const [leaving] = await Promise.all([
    page.waitForRequest((request) => request.url().includes("/oauth2/v2.0/logout")),
    page.evaluate(() => void window.app.logoutRedirect({ account: window.app.getAllAccounts()[0] })),
  ]);
  assert.equal(new URL(leaving.url()).searchParams.get("post_logout_redirect_uri"), `${site.origin}/`);
  await page.locator('form input[name="flow"]').waitFor({ state: "attached" });
  await page.locator("form button").click();
  await page.waitForURL((url) => url.origin === site.origin);
  await page.evaluate(() => window.ready);
  assert.deepEqual(await page.evaluate(() => window.app.getAllAccounts()), []);
  await page.evaluate((scope) => void window.app.loginRedirect({ scopes: [scope] }), SCOPE);
  await form(page, "sign-in").waitFor();
  await context.close();
});

test("by popup, in and out", async () => {
  const somebody = addPerson(server, "popup");
  const context = await chromium.person();
  const page = await open(context, site);
  const popup = async (name, request) => {
    const opening = page.waitForEvent("popup");
    await page.evaluate(([name, request]) => {
      window.result = window.app[name](request).then(
        (got) => ({ token: got?.accessToken }),
        (error) => ({ error: error.message }),
      );
    }, [name, request]);
    return opening;
  };
  const opened = await popup("loginPopup", { scopes: [SCOPE] });
  await signIn(opened, somebody);
  await decide(opened, "accept");
  const { token, error } = await page.evaluate(() => window.result);
  assert.equal(error, undefined);
  assert.equal(claims(token).upn, somebody.person);
  assert.ok(opened.isClosed());

  // The page that the popup comes back to tells the other one, by the state that Hilum has to give back.
  const closing = await popup("logoutPopup", { postLogoutRedirectUri: `${site.origin}/redirect.html` });
  await closing.locator("form button").click();
  const left = await page.evaluate(() => window.result);
  assert.equal(left.error, undefined);
  assert.ok(closing.isClosed());
  assert.deepEqual(await page.evaluate(() => window.app.getAllAccounts()), []);
  await context.close();
});

test("another permission asks for consent, and only for that", async () => {
  const somebody = addPerson(server, "incremental");
  const context = await chromium.person();
  const page = await open(context, site);
  await signInByRedirect(page, site, somebody);
  const more = { scopes: ["https://dicom.healthcareapis.azure.com/Dicom.ReadWrite"] };
  const refused = await silently(page, more);
  assert.equal(refused.kind, "InteractionRequiredAuthError", JSON.stringify(refused));
  const opening = page.waitForEvent("popup");
  const asked = call(page, "acquireTokenPopup", more);
  await decide(await opening, "accept");
  const { accessToken, error } = await asked;
  assert.equal(error, undefined);
  assert.deepEqual(claims(accessToken).scp.split(" ").sort(), ["Dicom.Read", "Dicom.ReadWrite"]);
  await context.close();
});

test("tokens that have expired are renewed as long as the refresh token lives", async () => {
  const somebody = addPerson(server, "expiring");
  const context = await chromium.person();
  const page = await open(context, site);
  const first = await signInByRedirect(page, site, somebody);

  const later = Date.now() + 2 * HOUR_MS;
  await page.clock.setFixedTime(later);
  const renewed = await silently(page);
  assert.equal(renewed.error, undefined, JSON.stringify(renewed));
  assert.deepEqual([renewed.fromCache, renewed.accessToken === first.accessToken], [false, false]);
  await context.close();
});

test("a refresh token that has ended asks for the person where no hidden frame can help", async () => {
  const somebody = addPerson(server, "ended");
  const context = await chromium.person();
  const page = await open(context, site);
  await signInByRedirect(page, site, somebody);
  // Twenty-four hours from the code's redemption, whatever was refreshed since.
  await page.clock.setFixedTime(Date.now() + 25 * HOUR_MS);
  const refused = await silently(page);
  assert.equal(refused.kind, "InteractionRequiredAuthError", JSON.stringify(refused));
  await context.close();
});

test("a hidden frame signs in on the same site only", async () => {
  const somebody = addPerson(server, "frame");
  const context = await chromium.person();
  const page = await open(context, secure);
  await signInByRedirect(page, secure, somebody);
  const request = { scopes: [SCOPE], loginHint: somebody.person, account: undefined };
  const same = await call(page, "ssoSilent", request);
  assert.equal(same.error, undefined, JSON.stringify(same));
  assert.equal(claims(same.accessToken).upn, somebody.person);

  // Another scheme is another site: the session's cookie is SameSite=Lax and stays at home.
  const other = await open(context, site);
  const refused = await call(other, "ssoSilent", request);
  assert.deepEqual([refused.kind, refused.error], ["InteractionRequiredAuthError", "login_required"], JSON.stringify(refused));
  await context.close();
});

test("an origin that is not named reads nothing of the DICOM service", async () => {
  const somebody = addPerson(server, "stranger");
  const context = await chromium.person();
  const page = await open(context, secure);
  const { accessToken } = await signInByRedirect(page, secure, somebody);
  assert.equal(await search(page, accessToken), "TypeError");
  await context.close();
});
