// An MCP server that says whatever could deceive whoever reads it, on stdout as its protocol wants, and on stderr.
import { createInterface } from "node:readline";
import { HOSTILE, LONG } from "./texts.mjs";

const tools = [
  { name: "<b>bold</b>", description: `${HOSTILE}${LONG}`, inputSchema: { type: "object" } },
  { name: "plain", description: HOSTILE, inputSchema: { type: "object" } },
];

function answer(message) {
  const { id, method, params } = message;
  const result = (value) => ({ jsonrpc: "2.0", id, result: value });
  switch (method) {
    case "initialize":
      return result({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: HOSTILE, version: "1" } });
    case "ping":
      return result({});
    case "tools/list":
      return result({ tools });
    case "tools/call":
      process.stderr.write(`${HOSTILE}\n${LONG}\n`);
      return params.name === "plain"
        ? { jsonrpc: "2.0", id, error: { code: -32603, message: HOSTILE } }
        : result({ content: [{ type: "text", text: HOSTILE }], isError: true });
    default:
      return { jsonrpc: "2.0", id, error: { code: -32601, message: "no" } };
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const message = JSON.parse(line);
  if (message.id !== undefined) process.stdout.write(`${JSON.stringify(answer(message))}\n`);
});
