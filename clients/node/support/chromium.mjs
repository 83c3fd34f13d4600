// A real browser, Debian's Chromium, that trusts a server's CA as an administrator's policy would have it: from its
// certificate store, not by looking away.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

/** Nothing here leaves the loopback address. */
const QUIET = [
  ...["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
  ...["--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"],
];

/** How long a page may take. */
const PATIENCE_MS = 20_000;

/** Chromium with a home of its own, in which the CA is trusted; `end()` removes all of it. */
export async function startChromium(ca) {
  const home = mkdtempSync(join(tmpdir(), "hilum-chromium-"));
  const store = join(home, ".pki", "nssdb");
  mkdirSync(store, { recursive: true });
  execFileSync("certutil", ["-d", `sql:${store}`, "-N", "--empty-password"]);
  execFileSync("certutil", ["-d", `sql:${store}`, "-A", "-t", "C,,", "-n", "hilum", "-i", ca]);
  const browser = await chromium.launch({
    executablePath: process.env.HILUM_TEST_CHROMIUM ?? "/usr/bin/chromium",
    // It is not for root, nor for every container; all pages here are our own.
    chromiumSandbox: false,
    env: { ...process.env, HOME: home },
    args: QUIET,
  });
  const end = async () => {
    await browser.close();
    rmSync(home, { recursive: true, force: true });
  };
  /** Somebody with a browser of their own: no cookies, no history. */
  const person = async (options = {}) => {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(PATIENCE_MS);
    return context;
  };
  return { browser, person, end };
}
