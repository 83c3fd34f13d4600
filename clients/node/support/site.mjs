// A single-page application's own web server, on the loopback address: a page for each path, and libraries as npm has them.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGES = join(dirname(fileURLToPath(import.meta.url)), "..", "node_modules");

/** The built files that pages may load, by the name they are served under. */
const LIBRARIES = {
  "/msal-browser.js": "@azure/msal-browser/lib/msal-browser.min.js",
  "/msal-redirect-bridge.js": "@azure/msal-browser/lib/redirect-bridge/msal-redirect-bridge.min.js",
  "/oidc-client-ts.js": "oidc-client-ts/dist/browser/oidc-client-ts.min.js",
  "/oidc-client.js": "oidc-client/dist/oidc-client.min.js",
};

/** A page that loads scripts and runs a line of its own. */
export function page(scripts, line = "") {
  const loads = scripts.map((script) => `<script src="${script}"></script>`).join("");
  return `<!doctype html><html lang="en"><title>Reading room</title><h1>Reading room</h1>${loads}<script>${line}</script>`;
}

/**
 * Serves `pages`, by path; any of them may be changed later. With `tls`, `{key, cert}`, over HTTPS.
 * `asked` holds the requests' methods, URLs and headers.
 */
export async function startSite(pages, tls) {
  const asked = [];
  const answer = (request, response) => {
    const path = request.url.split("?")[0];
    asked.push({ method: request.method, url: request.url, headers: request.headers });
    if (LIBRARIES[path]) {
      response.writeHead(200, { "content-type": "text/javascript" });
      response.end(readFileSync(join(PACKAGES, LIBRARIES[path])));
    } else if (pages[path] !== undefined) {
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
      response.end(pages[path]);
    } else {
      response.writeHead(path === "/favicon.ico" ? 204 : 404);
      response.end();
    }
  };
  const server = tls ? createTlsServer(tls, answer) : createServer(answer);
  await new Promise((resolve) => server.listen(0, "localhost", resolve));
  const origin = `${tls ? "https" : "http"}://localhost:${server.address().port}`;
  const end = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { origin, pages, asked, end };
}
