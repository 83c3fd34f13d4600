// Starts `hilum` as a user would and registers a client through its command line.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const SCOPE = "https://dicom.healthcareapis.azure.com/.default";

/** Of the first administrator. */
export const ADMIN_PASSWORD = "correct horse battery staple 4";

const START_MS = 60_000;

// Without our own HILUM_… variables, which the program would read as configuration.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("HILUM_")));

/** Runs a management command; its output as a value. */
function command(data, args, input) {
  const words = [...args, "--data", data];
  const out = execFileSync(process.env.HILUM_BIN, words, { input, env, encoding: "utf8", timeout: 60_000 });
  return out.trim() ? JSON.parse(out) : undefined;
}

/** A running server with one registered service client; `end()` stops it and removes its data. */
export async function startServer({ config } = {}) {
  if (!process.env.HILUM_BIN) throw new Error("set HILUM_BIN to the hilum program; `cargo xtask test clients` does");
  const folder = mkdtempSync(join(tmpdir(), "hilum-node-"));
  const data = join(folder, "data");
  const account = command(data, ["init", "--admin-password-stdin"], `${ADMIN_PASSWORD}\n`);
  if (config) writeFileSync(join(data, "hilum.toml"), config);
  const child = spawn(process.env.HILUM_BIN, ["serve", "--data", data, "--listen", "localhost:0"], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  process.on("exit", () => child.kill("SIGKILL"));
  const url = await address(child, join(data, "run", "server.json"));
  const client = register(data);
  const end = async () => {
    child.kill("SIGTERM");
    if (child.exitCode === null) await new Promise((resolve) => child.once("exit", resolve));
    rmSync(folder, { recursive: true, force: true });
  };
  const [tenant, admin] = [account.tenantId, account.adminUserPrincipalName];
  return { url, data, tenant, admin, ca: join(data, "tls", "ca.pem"), client, end };
}

async function address(child, runFile) {
  const deadline = Date.now() + START_MS;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`hilum ended with ${child.exitCode}`);
    try {
      return JSON.parse(readFileSync(runFile, "utf8")).url.replace(/\/$/, "");
    } catch {
      await sleep(50);
    }
  }
  throw new Error("hilum did not start");
}

function register(data) {
  const app = command(data, ["app", "create", "--display-name", "node client"]);
  const principal = command(data, ["sp", "create", "--id", app.appId]);
  const { password } = command(data, ["app", "credential", "reset", "--id", app.appId, "--append"]);
  command(data, [
    ...["role", "assignment", "create", "--assignee-object-id", principal.id],
    ...["--assignee-principal-type", "ServicePrincipal", "--role", "DICOM Data Owner", "--scope", "/"],
  ]);
  return { appId: app.appId, secret: password, data };
}

/** Gives the client a certificate besides its secret. */
export function addCertificate(server, file) {
  command(server.data, ["app", "credential", "reset", "--id", server.client.appId, "--append", "--cert", `@${file}`]);
}

/** Lets the client sign users in. */
export function addRedirects(server, web, publicClient) {
  command(server.data, [
    ...["app", "update", "--id", server.client.appId],
    ...["--web-redirect-uris", web, "--public-client-redirect-uris", publicClient],
  ]);
}

/** A single-page application with its redirect URIs. */
export function addPageApplication(server, redirectUris, name = "reading room") {
  const app = command(server.data, ["app", "create", "--display-name", name]);
  command(server.data, ["app", "update", "--id", app.appId, "--set", `spa=${JSON.stringify({ redirectUris })}`]);
  command(server.data, ["sp", "create", "--id", app.appId]);
  return app.appId;
}

/** A web application with its redirect URIs. */
export function addWebApplication(server, redirectUris, name = "reading page") {
  const app = command(server.data, ["app", "create", "--display-name", name, "--web-redirect-uris", ...redirectUris]);
  command(server.data, ["sp", "create", "--id", app.appId]);
  return app.appId;
}

/** Runs a management command on the server's data. */
export function manage(server, ...words) {
  return command(server.data, words);
}

/** Posts a form as an application would, trusting the server's CA; the answer's JSON. */
export function post(server, path, fields) {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const options = { method: "POST", ca: readFileSync(server.ca), headers };
  return new Promise((resolve, reject) => {
    const asking = request(`${server.url}/${server.tenant}${path}`, options, async (answer) => {
      const parts = await answer.toArray();
      resolve(JSON.parse(Buffer.concat(parts).toString("utf8")));
    });
    asking.on("error", reject);
    asking.end(new URLSearchParams(fields).toString());
  });
}

/** A user with a password, who may read. */
export function addPerson(server, name, ...more) {
  const domain = command(server.data, ["user", "list"])[0].userPrincipalName.split("@")[1];
  const person = `${name}@${domain}`;
  const password = "a long enough password 1";
  const user = command(server.data, [
    ...["user", "create", "--display-name", name, "--user-principal-name", person, "--password", password],
    ...more,
  ]);
  command(server.data, [
    ...["role", "assignment", "create", "--assignee-object-id", user.id, "--assignee-principal-type", "User"],
    ...["--role", "DICOM Data Reader", "--scope", "/"],
  ]);
  return { person, password, id: user.id };
}
