// Each page that a person can meet while signing in, in a real browser: accessible, narrow, true to its own policy.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { startChromium } from "../support/chromium.mjs";
import { inspect, watch } from "../support/inspect.mjs";
import { authorizeUrl, decide, form, go, press, signIn } from "../support/person.mjs";
import { ADMIN_PASSWORD, addPerson, addWebApplication, manage, post, startServer } from "../support/server.mjs";
import { startSite } from "../support/site.mjs";

const DICOM = "https://dicom.healthcareapis.azure.com";
const READ_WRITE = "e69ab058-b8ae-4c0f-b687-5d97888ddccb=Scope";

// A provider that does not answer: its button is on every sign-in page.
const AWAY = `[[identity.providers]]
id = "hospital"
name = "Hospital account"
issuer = "https://localhost:9/realms/hospital"
client_id = "hilum"
linking = "existing"
`;

let site;
let server;
let chromium;
let appId;
let context;
let page;
let complaints;

before(async () => {
  site = await startSite({ "/callback": "<!doctype html><title>Back</title>" });
  server = await startServer({ config: AWAY });
  appId = addWebApplication(server, [`${site.origin}/callback`]);
  chromium = await startChromium(server.ca);
});

after(async () => {
  await chromium?.end();
  await site?.end();
  await server?.end();
});

beforeEach(async () => {
  context = await chromium.person();
  complaints = watch(context);
  page = await context.newPage();
});

afterEach(async () => {
  assert.deepEqual(complaints, []);
  await context.close();
});

function url(changes = {}) {
  return authorizeUrl(server, { client_id: appId, redirect_uri: `${site.origin}/callback`, scope: `openid ${DICOM}/Dicom.Read`, ...changes });
}

const administrator = () => ({ person: server.admin, password: ADMIN_PASSWORD });

test("signing in, a wrong password, consent", async () => {
  const somebody = addPerson(server, "reader");
  await page.goto(url());
  await inspect(page, "sign-in");
  await press(page, () => signIn(page, { ...somebody, password: "not the password" }));
  await inspect(page, "a wrong password");
  await press(page, () => signIn(page, somebody));
  await form(page, "consent").waitFor();
  await inspect(page, "consent");
  await press(page, () => decide(page, "accept"));
  assert.match(page.url(), /\/callback\?code=/);
});

test("a password that somebody else gave", async () => {
  const somebody = addPerson(server, "newcomer", "--force-change-password-next-sign-in", "true");
  await page.goto(url());
  await press(page, () => signIn(page, somebody));
  await form(page, "password").waitFor();
  await inspect(page, "new password");
  const fields = form(page, "password");
  await fields.locator('input[name="password"]').fill(somebody.password);
  await fields.locator('input[name="new_password"]').fill("another long password 2");
  await fields.locator('input[name="new_password_again"]').fill("another long password 3");
  await press(page, () => fields.locator("button").click());
  await inspect(page, "new passwords that differ");
});

test("sending the answer on by form", async () => {
  const somebody = addPerson(server, "sender");
  // The application answers with nothing, so that the browser stays on the page that sent the answer.
  await page.route(`${site.origin}/callback`, (route) => route.fulfill({ status: 204 }));
  await page.goto(url({ response_mode: "form_post" }));
  await press(page, () => signIn(page, somebody));
  await decide(page, "accept");
  await page.locator('form input[name="code"]').waitFor({ state: "attached" });
  await inspect(page, "form post");
});

test("choosing an account", async () => {
  const somebody = addPerson(server, "chooser");
  await page.goto(url());
  await press(page, () => signIn(page, somebody));
  await press(page, () => decide(page, "refuse"));
  await page.goto(url({ prompt: "select_account" }));
  await form(page, "account").waitFor();
  await inspect(page, "account");
});

test("consent that only administrators can give", async () => {
  const other = addWebApplication(server, [`${site.origin}/callback`], "administration");
  const scope = "https://graph.microsoft.com/Application.ReadWrite.All";
  const somebody = addPerson(server, "asker");
  await page.goto(url({ client_id: other, scope }));
  await press(page, () => signIn(page, somebody));
  await inspect(page, "consent of an administrator needed");
  await press(page, () => decide(page, "refuse"));
  await context.clearCookies();
  await page.goto(url({ client_id: other, scope }));
  await press(page, () => signIn(page, administrator()));
  await inspect(page, "consent for oneself or everybody");
});

test("admin consent", async () => {
  manage(server, ...["app", "permission", "add", "--id", appId, "--api", "75e725bf-66ce-4cea-9b9a-5c4caae57f33"],
    ...["--api-permissions", READ_WRITE]);
  const query = new URLSearchParams({ client_id: appId, redirect_uri: `${site.origin}/callback`, state: "s" });
  await page.goto(`${server.url}/${server.tenant}/adminconsent?${query}`);
  await press(page, () => signIn(page, administrator()));
  await form(page, "consent").waitFor();
  await inspect(page, "admin consent");
});

test("a device's code", async () => {
  const device = addWebApplication(server, [`${site.origin}/callback`], "modality");
  manage(server, "app", "update", "--id", device, "--set", "isFallbackPublicClient=true");
  const somebody = addPerson(server, "operator");
  await page.goto(`${server.url}/devicelogin`);
  const begun = await post(server, "/oauth2/v2.0/devicecode", { client_id: device, scope: `${DICOM}/Dicom.Read` });
  const seen = await go(page, { ...somebody, code: begun.user_code }, inspect);
  assert.ok(seen.includes("code") && seen.includes("sign-in") && seen.includes("decide"), seen.join());
  await inspect(page, "device done");
});

test("signing out", async () => {
  const somebody = addPerson(server, "leaver");
  await page.goto(url());
  await press(page, () => signIn(page, somebody));
  const leave = `${server.url}/${server.tenant}/oauth2/v2.0/logout`;
  await page.goto(leave);
  await inspect(page, "do you want to sign out?");
  await press(page, () => page.locator("form button").click());
  await inspect(page, "signed out");
});

test("errors", async () => {
  // The browser itself notes that the answer is 400.
  for (const wrong of [{ redirect_uri: "https://elsewhere.example/" }, { client_id: "00000000-0000-4000-8000-000000000000" }]) {
    await page.goto(url(wrong));
    await inspect(page, JSON.stringify(wrong));
  }
});

test("another provider that is away", async () => {
  await page.goto(url());
  await press(page, () => form(page, "elsewhere").locator("button").click());
  await inspect(page, "the provider is away");
  assert.ok(page.url().startsWith(server.url), "nobody was sent anywhere");
});

test("what is wrong would be seen", async () => {
  site.pages["/wrong"] = `<!doctype html><html lang="en"><title>Wrong</title>
    <meta http-equiv="content-security-policy" content="script-src 'none'"><script>1</script>
    <h1>Wrong</h1><main><input><p style="width: 500px">Wide</p></main>`;
  await page.goto(`${site.origin}/wrong`);
  await assert.rejects(inspect(page, "wrong"), (error) => error.actual.width > 320 && /^label:/.test(error.actual.wrong[0]));
  assert.equal(complaints.splice(0).filter((text) => text.includes("Content Security Policy")).length, 1);
});
