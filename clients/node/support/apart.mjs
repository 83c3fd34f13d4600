// Clients in processes of their own: Node reads further CAs only at its start.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { addPerson } from "./server.mjs";

const folder = dirname(fileURLToPath(import.meta.url));

/** Runs a client of this folder that trusts the server's CA, for a new person; what it got, and who that is. */
export async function runApart(client, server, { kind, ...more }) {
  const person = addPerson(server, kind);
  const input = { kind, url: server.url, tenant: server.tenant, ...more, ...server.client, ...person };
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: server.ca };
  const child = promisify(execFile)(process.execPath, [join(folder, client)], { env, encoding: "utf8", timeout: 60_000 });
  child.child.stdin.end(JSON.stringify(input));
  const result = JSON.parse((await child).stdout);
  assert.equal(result.error, undefined, JSON.stringify(result));
  return { ...result, person };
}
