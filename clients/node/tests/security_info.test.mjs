// How somebody signs in, changed by the person alone, in a real browser: a passkey of the virtual authenticator (WebAuthn §11).

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { plugIn } from "../support/authenticator.mjs";
import { startChromium } from "../support/chromium.mjs";
import { inspect, watch } from "../support/inspect.mjs";
import { form, press, signIn } from "../support/person.mjs";
import { addPerson, startServer } from "../support/server.mjs";

let server;
let chromium;

before(async () => {
  server = await startServer();
  chromium = await startChromium(server.ca);
});

after(async () => {
  await chromium?.end();
  await server?.end();
});

test("a passkey is added, asked for, renamed and removed", async () => {
  const somebody = addPerson(server, "caretaker");
  const context = await chromium.person();
  const complaints = watch(context);
  const page = await context.newPage();
  const send = (step) => press(page, () => form(page, step).locator("button").first().click());
  await plugIn(context, page);
  await page.goto(`${server.url}/portal/account/security-info`);
  await press(page, () => signIn(page, somebody));
  await inspect(page, "security info, empty");

  await send("add");
  await form(page, "passkey").waitFor();
  await inspect(page, "add");
  await send("passkey");
  assert.equal(await page.locator("li code").count(), 10);
  await inspect(page, "recovery codes");
  await page.getByRole("link", { name: "I have kept them" }).click();
  await form(page, "rename").waitFor({ state: "attached" });
  await inspect(page, "security info");

  // The same authenticator makes no second key for the same person.
  await send("add");
  await form(page, "passkey").locator("button").click();
  await page.locator("#passkey-failed").waitFor();
  await page.getByRole("link", { name: "Back to security info" }).click();

  await page.locator("summary").click();
  await form(page, "rename").locator('input[name="name"]').fill("Key on the desk");
  await send("rename");
  assert.equal(await page.locator("li strong").textContent(), "Key on the desk");
  await send("ask-password");
  await inspect(page, "change password");
  await page.goBack();

  await context.clearCookies();
  await page.goto(`${server.url}/portal/account/security-info`);
  await press(page, () => signIn(page, somebody));
  await form(page, "passkey").waitFor();
  await send("passkey");
  await send("ask-remove");
  await inspect(page, "remove");
  await send("remove");
  assert.equal(await form(page, "rename").count(), 0);
  assert.deepEqual(complaints, []);
  await context.close();
});
