// A person at a desktop: opens the URL that an application gives to `$BROWSER`, signs in in Chromium, and stays until the
// application's own page is there. Usage: node visit.mjs URL, with who it is in $HILUM_TEST_PERSON.

import { startChromium } from "./chromium.mjs";
import { go } from "./person.mjs";

const { ca, person, password, origin } = JSON.parse(process.env.HILUM_TEST_PERSON);
const chromium = await startChromium(ca);
try {
  const context = await chromium.person();
  const page = await context.newPage();
  await page.goto(process.argv[2]);
  const seen = await go(page, { person, password });
  await page.waitForURL((url) => url.origin !== origin, { waitUntil: "domcontentloaded" });
  console.error(`went through ${seen.join(", ")} to ${new URL(page.url()).origin}`);
} finally {
  await chromium.end();
}
