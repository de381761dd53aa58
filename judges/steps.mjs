// What every client does: list the tools, read, rename and see it, refuse a deletion, confirm one.
import assert from "node:assert/strict";

const NAME = "renamed-by-a-judge";

/** Arguments: "stdio COMMAND ARGUMENT…" or "http URL"; the token is in JUDGE_TOKEN. */
export function chosen([kind, target, ...rest]) {
  return { http: kind === "http", target, rest, token: process.env.JUDGE_TOKEN };
}

/** The environment of a server that is started: the SDK would pass on only a few variables by itself. */
export function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== "JUDGE_TOKEN"));
}

async function call(client, name, args) {
  const result = await client.callTool({ name, arguments: args });
  assert.equal(result.content?.[0]?.type, "text", `${name}: the first block is text`);
  return result;
}

function done(result, what) {
  assert.ok(!result.isError, `${what}: ${result.content?.[0]?.text}`);
  return result.structuredContent;
}

/**
 * Go through all steps with a connected client. JUDGE_TOOLS in the environment says how many tools it has to see.
 *
 * @param answers what the person behind the client will answer; the questions come back in `asked`
 * @param canAsk whether this transport and era can ask that person
 */
export async function judge(client, { answers, asked, canAsk }) {
  const { tools } = await client.listTools();
  assert.equal(tools.length, Number(process.env.JUDGE_TOOLS), "number of tools");
  for (const tool of tools) {
    for (const hint of ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"]) {
      assert.equal(typeof tool.annotations?.[hint], "boolean", `${tool.name}: ${hint}`);
    }
  }
  const device = await rename(client);
  if (canAsk) await withPerson(client, device, answers, asked);
  else await withPlan(client, device);
  const gone = await call(client, "devices_read", { action: "get", device_id: device });
  assert.equal(gone.isError, true, "the deleted device is gone");
  return { tools: tools.length, questions: asked.length };
}

async function rename(client) {
  const found = done(await call(client, "devices_read", { action: "list", limit: 5 }), "list");
  const device = found.rows[0][found.columns.indexOf("nodeId")];
  const rename = { action: "set_name", device_id: device, name: NAME };
  done(await call(client, "devices_write", { ...rename, dry_run: true }), "dry run");
  done(await call(client, "devices_write", rename), "rename");
  const after = await call(client, "devices_read", { action: "get", device_id: device });
  assert.ok(JSON.stringify(done(after, "get")).includes(NAME), "the new name is read back");
  return device;
}

async function withPerson(client, device, answers, asked) {
  const deletion = { action: "delete", device_id: device };
  answers.push({ action: "decline" });
  const refused = await call(client, "devices_delete", deletion);
  assert.equal(refused.isError, true, "a refused deletion is an error");
  done(await call(client, "devices_read", { action: "get", device_id: device }), "get after a refusal");
  answers.push({ action: "accept", content: { proceed: true } });
  done(await call(client, "devices_delete", deletion), "confirmed deletion");
  assert.equal(asked.length, 2, "asked twice");
  assert.ok(asked.every((question) => question.includes(device)), "the question names the device");
}

async function withPlan(client, device) {
  const deletion = { action: "delete", device_id: device };
  const first = done(await call(client, "devices_delete", deletion), "deletion without confirm");
  assert.ok(first.confirm, "a plan to confirm comes back");
  done(await call(client, "devices_delete", { ...deletion, confirm: first.confirm }), "confirmed deletion");
}
