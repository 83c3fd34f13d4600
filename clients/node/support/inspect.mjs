// What every page of Hilum must keep, looked at in a real browser: the policy it sends with itself, WCAG's rules as far as
// axe-core can see them, light and dark, and 320 pixels of width (WCAG 2.2 §1.4.10).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const NARROW = { width: 320, height: 640 };

/** Collects what pages of this person's browser do against their policy, and errors of their scripts. */
export function watch(context) {
  const complaints = [];
  const listen = (page) => {
    page.on("console", (message) => {
      // Refusals are answered with 400 and the like, which the browser mentions.
      const isStatus = message.text().startsWith("Failed to load resource: the server responded");
      if (message.type() === "error" && !isStatus) complaints.push(`${page.url()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
  };
  context.on("page", listen);
  return complaints;
}

/** What axe finds, in short. */
async function violations(page, options = {}) {
  await page.evaluate(AXE);
  const found = await page.evaluate((options) => window.axe.run(options), options);
  return found.violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`);
}

/** Fails with everything that is wrong with the page. */
export async function inspect(page, name) {
  const wrong = await violations(page);
  await page.emulateMedia({ colorScheme: "dark" });
  const inTheDark = await violations(page, { runOnly: ["color-contrast"] });
  await page.emulateMedia({ colorScheme: "light" });
  const size = page.viewportSize();
  await page.setViewportSize(NARROW);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  await page.setViewportSize(size);
  assert.deepEqual({ wrong, inTheDark, width }, { wrong: [], inTheDark: [], width: NARROW.width }, name);
}
