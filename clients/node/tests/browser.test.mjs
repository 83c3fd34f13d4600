// What the sign-in pages must withstand in a real browser: foreign frames, buttons pressed twice, tabs side by side, the way
// back, no scripts, no mouse; and what the browser may give away.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, afterEach, test } from "node:test";

import { startChromium } from "../support/chromium.mjs";
import { watch } from "../support/inspect.mjs";
import { authorizeUrl, decide, fillIn, form, go, press, signIn, step } from "../support/person.mjs";
import { addPerson, addWebApplication, manage, post, startServer } from "../support/server.mjs";
import { startSite } from "../support/site.mjs";

// RFC 7636 §B: of the challenge in `authorizeUrl`.
const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const SCOPE = "openid https://dicom.healthcareapis.azure.com/Dicom.Read";

let site;
let server;
let chromium;
let appId;
let secret;
let somebody;
let context;
let page;

before(async () => {
  site = await startSite({ "/callback": "<!doctype html><title>Back</title>" });
  server = await startServer();
  appId = addWebApplication(server, [`${site.origin}/callback`]);
  secret = manage(server, "app", "credential", "reset", "--id", appId, "--append").password;
  somebody = addPerson(server, "reader");
  chromium = await startChromium(server.ca);
});

after(async () => {
  await chromium?.end();
  await site?.end();
  await server?.end();
});

beforeEach(async () => {
  site.asked.length = 0;
  context = await chromium.person();
  page = await context.newPage();
});

afterEach(() => context.close());

function url(changes = {}) {
  return authorizeUrl(server, { client_id: appId, redirect_uri: `${site.origin}/callback`, scope: SCOPE, ...changes });
}

const isBack = (at) => at.origin === site.origin && at.pathname === "/callback";

/** The answer that the browser brought the application. */
async function answer(page) {
  await page.waitForURL(isBack);
  return Object.fromEntries(new URL(page.url()).searchParams);
}

/** Whether the application gets tokens for it. */
async function redeem({ code }) {
  const registration = { client_id: appId, client_secret: secret, redirect_uri: `${site.origin}/callback` };
  return post(server, "/oauth2/v2.0/token", { grant_type: "authorization_code", code, code_verifier: VERIFIER, ...registration });
}

test("cookies: for this host alone, out of scripts' reach, new with each sign-in", async () => {
  await page.goto(url());
  const before = await context.cookies();
  await go(page, somebody);
  await answer(page);
  const after = await context.cookies();
  assert.ok(after.length > before.length);
  for (const cookie of after) {
    assert.match(cookie.name, /^__Host-/);
    const { secure, httpOnly, sameSite, path, domain } = cookie;
    assert.deepEqual({ secure, httpOnly, sameSite, path, domain }, { secure: true, httpOnly: true, sameSite: "Lax", path: "/", domain: "localhost" });
  }
  // They are sent: nobody is asked any more.
  await page.goto(url({ prompt: "none" }));
  assert.ok((await answer(page)).code);
  // And signing in anew is another session: what somebody knew of the old one is worth nothing.
  await page.goto(url({ prompt: "login" }));
  await press(page, () => signIn(page, somebody));
  const values = (cookies) => cookies.filter(({ name }) => name.includes("ession")).map(({ value }) => value);
  assert.equal(values(after).length, 1);
  assert.notDeepEqual(values(await context.cookies()), values(after));
});

test("the application hears the answer, and not where it came from", async () => {
  await page.goto(url());
  await go(page, somebody);
  await answer(page);
  const [arrival] = site.asked.filter(({ url }) => url.startsWith("/callback"));
  assert.equal(arrival.headers.referer, undefined);
});

test("no page is drawn in a frame", async () => {
  for (const path of [url(), `${server.url}/devicelogin`, `${server.url}/${server.tenant}/oauth2/v2.0/logout`]) {
    site.pages["/frame"] = `<!doctype html><title>Trap</title><iframe src="${path.replaceAll("&", "&amp;")}"></iframe>`;
    const refused = page.waitForEvent("console", (message) => /frame-ancestors|X-Frame-Options/.test(message.text()));
    await page.goto(`${site.origin}/frame`);
    await refused;
    const [, frame] = page.frames();
    assert.equal(await frame.locator("form").count(), 0, path);
  }
});

test("a button pressed twice signs in once, and the code is good", async () => {
  await page.goto(url());
  await fillIn(page, somebody);
  await form(page, "sign-in").locator("button").dblclick();
  await page.waitForURL((at) => at.origin === site.origin || at.pathname === "/common/login");
  if (await step(page)) await form(page, "consent").locator('button[value="accept"]').dblclick();
  const tokens = await redeem(await answer(page));
  assert.ok(tokens.access_token, JSON.stringify(tokens));
});

test("the way back shows no password and breaks nothing", async () => {
  await page.goto(url());
  await go(page, somebody);
  const first = await answer(page);
  await page.goto(url({ state: "second", prompt: "login" }));
  await press(page, () => signIn(page, somebody));
  const second = await answer(page);
  assert.equal(second.state, "second");
  await page.goBack();
  // The form again, empty; signing in once more leads to the application.
  const fields = form(page, "sign-in");
  await fields.waitFor();
  assert.equal(await fields.locator('input[name="password"]').inputValue(), "");
  await press(page, () => signIn(page, somebody));
  const third = await answer(page);
  assert.notEqual(third.code, first.code);
  assert.ok((await redeem(third)).access_token);
});

test("who comes after somebody at the same browser cannot go back and send the password again", async () => {
  const person = addPerson(server, "earlier");
  await page.goto(url());
  await press(page, () => signIn(page, person));
  await press(page, () => decide(page, "accept"));
  await answer(page);
  await page.goto(`${server.url}/${server.tenant}/oauth2/v2.0/logout`);
  await press(page, () => page.locator("form button").click());
  // The browser keeps what was sent for the consent page, and asks whether to send it again.
  const again = page.waitForResponse((response) => response.url().endsWith("/common/login"));
  await page.evaluate(() => history.go(-3));
  await assert.rejects(page.waitForURL("chrome-error://chromewebdata/"), /ERR_CACHE_MISS/);
  await page.waitForFunction(() => location.protocol === "chrome-error:");
  await page.reload();
  assert.equal((await again).status(), 403);
  await page.goto(url({ prompt: "none" }));
  assert.equal((await answer(page)).error, "login_required");
});

test("two tabs at once", async () => {
  const other = await context.newPage();
  await page.goto(url({ state: "left" }));
  await other.goto(url({ state: "right" }));
  await go(page, somebody);
  assert.equal((await answer(page)).state, "left");
  // The other tab's page is older than the session, and still good.
  await go(other, somebody);
  const late = await answer(other);
  assert.equal(late.state, "right");
  assert.ok((await redeem(late)).access_token);
});

test("a consent page is not accepted for who signed in meanwhile in another tab", async () => {
  const [first, second] = [addPerson(server, "first"), addPerson(server, "second")];
  const other = await context.newPage();
  await page.goto(url());
  await press(page, () => signIn(page, first));
  await form(page, "consent").waitFor();
  await other.goto(url({ prompt: "login" }));
  await press(other, () => signIn(other, second));
  await press(page, () => decide(page, "accept"));
  assert.equal(await step(page), "consent", "asked again");
  assert.match(await page.locator("main").innerText(), new RegExp(second.person));
});

test("all of it without scripts", async () => {
  const quiet = await chromium.person({ javaScriptEnabled: false });
  const complaints = watch(quiet);
  const page = await quiet.newPage();
  const person = addPerson(server, "scriptless");
  await page.goto(url({ response_mode: "form_post" }));
  await go(page, person);
  // The page that would send itself on has a button.
  await press(page, () => page.locator("form button").click());
  assert.equal(page.url(), `${site.origin}/callback`);
  const [sent] = site.asked.filter(({ method }) => method === "POST");
  assert.ok(sent, "the answer came by POST");
  const out = new URLSearchParams({ post_logout_redirect_uri: `${site.origin}/callback`, client_id: appId });
  await page.goto(`${server.url}/${server.tenant}/oauth2/v2.0/logout?${out}`);
  await press(page, () => page.locator("form button").click());
  assert.equal(page.url(), `${site.origin}/callback`);
  assert.deepEqual(complaints, []);
  await quiet.close();
});

test("a page that posts the answer sends itself on", async () => {
  await page.goto(url({ response_mode: "form_post" }));
  await go(page, somebody);
  await page.waitForURL(`${site.origin}/callback`);
  const [sent] = site.asked.filter(({ method }) => method === "POST");
  assert.equal(sent.headers.origin, "null", "and does not tell from where");
  assert.equal(sent.headers.referer, undefined);
});

test("signing out tells the applications, in frames, and goes back", async () => {
  const [key, cert] = ["server-key.pem", "server.pem"].map((file) => readFileSync(join(server.data, "tls", file)));
  const other = await startSite({ "/signed-out": "<!doctype html><title>Signed out</title>" }, { key, cert });
  const listening = addWebApplication(server, [`${site.origin}/callback`], "listening page");
  manage(server, "app", "update", "--id", listening, "--set", `web.logoutUrl=${other.origin}/signed-out`);
  const complaints = watch(context);
  const person = addPerson(server, "listener");
  await page.goto(url({ client_id: listening }));
  await go(page, person);
  const { session_state } = await answer(page);
  const back = new URLSearchParams({ post_logout_redirect_uri: `${site.origin}/callback`, client_id: listening, state: "bye" });
  await page.goto(`${server.url}/${server.tenant}/oauth2/v2.0/logout?${back}`);
  const told = context.waitForEvent("requestfinished", (request) => request.url().startsWith(other.origin));
  await press(page, () => page.locator("form button").click());
  await told;
  const [heard] = other.asked.map(({ url }) => new URL(url, other.origin));
  assert.equal(heard.searchParams.get("sid"), session_state);
  assert.equal(heard.searchParams.get("iss"), `${server.url}/${server.tenant}/v2.0`);
  await page.waitForURL(`${site.origin}/callback?state=bye`);
  assert.deepEqual(complaints, []);
  await other.end();
});

test("all of it by keyboard", async () => {
  const person = addPerson(server, "typist");
  await page.goto(url());
  // The first field gets the focus by itself, which a browser does a moment after the page has come.
  await page.waitForFunction(() => document.activeElement?.name === "username");
  await page.keyboard.type(person.person);
  await page.keyboard.press("Tab");
  await page.keyboard.type(person.password);
  await press(page, () => page.keyboard.press("Enter"));
  await form(page, "consent").waitFor();
  for (let presses = 0; (await focused(page)) !== "accept"; presses += 1) {
    assert.ok(presses < 10, "the button cannot be reached");
    await page.keyboard.press("Tab");
  }
  const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(ring, "none", "what has the focus shows it");
  await page.keyboard.press("Enter");
  assert.ok((await answer(page)).code);
});

const focused = (page) => page.evaluate(() => document.activeElement?.value);
