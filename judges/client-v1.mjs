// The TypeScript SDK of the handshake era.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { chosen, environment, judge } from "./steps.mjs";

const { http, target, rest, token } = chosen(process.argv.slice(2));
const answers = [];
const asked = [];
const client = new Client({ name: "judge-v1", version: "1" }, { capabilities: { elicitation: {} } });
client.setRequestHandler(ElicitRequestSchema, (request) => {
  asked.push(request.params.message);
  return answers.shift();
});
const transport = http
  ? new StreamableHTTPClientTransport(new URL(target), {
      requestInit: { headers: { Authorization: `Bearer ${token}` } },
    })
  : new StdioClientTransport({ command: target, args: rest, env: environment() });
await client.connect(transport);
// Over HTTP every request stands alone, so in this era the server has no way back to the client.
const found = await judge(client, { answers, asked, canAsk: !http });
const { name, version } = client.getServerVersion();
await client.close();
console.log(JSON.stringify({ ...found, server: `${name} ${version}` }));
