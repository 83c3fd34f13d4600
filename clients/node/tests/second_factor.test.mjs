// Second factors in a real browser: the pages, and a passkey of the browser's virtual authenticator (WebAuthn §11).

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { plugIn } from "../support/authenticator.mjs";
import { startChromium } from "../support/chromium.mjs";
import { inspect, watch } from "../support/inspect.mjs";
import { authorizeUrl, form, press, signIn, step } from "../support/person.mjs";
import { addPerson, addWebApplication, manage, startServer } from "../support/server.mjs";
import { startSite } from "../support/site.mjs";

let site;
let server;
let chromium;
let appId;

before(async () => {
  site = await startSite({ "/callback": "<!doctype html><title>Back</title>" });
  server = await startServer();
  appId = addWebApplication(server, [`${site.origin}/callback`], "two factors");
  manage(server, "policy", "second-factor", "set", "--require-for-application", appId);
  chromium = await startChromium(server.ca);
});

after(async () => {
  await chromium?.end();
  await site?.end();
  await server?.end();
});

const url = () => authorizeUrl(server, { client_id: appId, redirect_uri: `${site.origin}/callback`, scope: "openid profile" });

/** On to the client, by the consent page where it comes. */
async function arrive(page) {
  if ((await step(page)) === "consent") {
    await press(page, () => form(page, "consent").locator('button[value="accept"]').click());
  }
  assert.match(page.url(), /\/callback\?code=/);
}

test("a passkey is registered and let in with", async () => {
  const somebody = addPerson(server, "keyholder");
  const context = await chromium.person();
  const complaints = watch(context);
  const page = await context.newPage();
  await plugIn(context, page);
  await page.goto(url());
  await press(page, () => signIn(page, somebody));
  await form(page, "passkey").waitFor();
  await inspect(page, "register");
  await press(page, () => form(page, "passkey").locator("button").click());
  assert.equal(await page.locator("li code").count(), 10);
  await inspect(page, "recovery codes");
  await press(page, () => form(page, "continue").locator("button").click());
  await arrive(page);

  await context.clearCookies();
  await page.goto(url());
  await press(page, () => signIn(page, somebody));
  await form(page, "passkey").waitFor();
  await inspect(page, "show");
  await press(page, () => form(page, "passkey").locator("button").click());
  await arrive(page);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a wrong code of an authenticator app, without a passkey at hand", async () => {
  const somebody = addPerson(server, "typist");
  const context = await chromium.person();
  const complaints = watch(context);
  const page = await context.newPage();
  await page.goto(url());
  await press(page, () => signIn(page, somebody));
  await form(page, "enrol").locator('input[name="code"]').fill("000000");
  await press(page, () => form(page, "enrol").locator("button").click());
  await inspect(page, "a wrong code");
  assert.equal(await page.locator('[role="alert"]:visible').count(), 1);
  assert.deepEqual(complaints, []);
  await context.close();
});
