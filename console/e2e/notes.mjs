// An MCP server in two versions, named by its first argument (`acme-notes@1.0.0`): what its tool says of itself differs.
import { createInterface } from "node:readline";

const version = process.argv[2]?.split("@").at(-1) ?? "0";
const tools = [{ name: "note", description: `Keeps a note. This is version ${version}.`, inputSchema: { type: "object" } }];

function answer({ id, method, params }) {
  const result = (value) => ({ jsonrpc: "2.0", id, result: value });
  switch (method) {
    case "initialize":
      return result({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "notes", version } });
    case "ping":
      return result({});
    case "tools/list":
      return result({ tools });
    case "tools/call":
      return result({ content: [{ type: "text", text: version }] });
    default:
      return { jsonrpc: "2.0", id, error: { code: -32601, message: "no" } };
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const message = JSON.parse(line);
  if (message.id !== undefined) process.stdout.write(`${JSON.stringify(answer(message))}\n`);
});
