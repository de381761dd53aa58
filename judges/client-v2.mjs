// The TypeScript SDK of the modern era, which speaks nothing else here.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import assert from "node:assert/strict";
import { chosen, environment, judge } from "./steps.mjs";

const MODERN = "2026-07-28";
const { http, target, rest, token } = chosen(process.argv.slice(2));
const answers = [];
const asked = [];
const client = new Client(
  { name: "judge-v2", version: "1" },
  { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: { pin: MODERN } } },
);
client.setRequestHandler("elicitation/create", (request) => {
  asked.push(request.params.message);
  return answers.shift();
});
const transport = http
  ? new StreamableHTTPClientTransport(new URL(target), {
      requestInit: { headers: { Authorization: `Bearer ${token}` } },
    })
  : new StdioClientTransport({ command: target, args: rest, env: environment() });
await client.connect(transport);
assert.equal(client.getNegotiatedProtocolVersion(), MODERN);
const found = await judge(client, { answers, asked, canAsk: true });
const { name, version } = client.getServerVersion();
await client.close();
console.log(JSON.stringify({ ...found, server: `${name} ${version}` }));
