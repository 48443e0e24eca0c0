// Calls as a client of today makes them: stateless, one request each.
import { request } from "node:http";

const META = { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} };
let number = 0;

/** One call; gives the HTTP status and the answer's text. */
export function call(address, server, tool, args, client = "suite") {
  number += 1;
  const meta = { ...META, "io.modelcontextprotocol/clientInfo": { name: client, version: "1" } };
  const body = JSON.stringify({ jsonrpc: "2.0", id: number, method: "tools/call", params: { name: tool, arguments: args, _meta: meta } });
  const [host, port] = address.split(":");
  const headers = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": tool,
    "content-length": Buffer.byteLength(body),
  };
  return new Promise((done, failed) => {
    const asked = request({ host, port, path: `/${server}/mcp`, method: "POST", headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (piece) => (text += piece));
      answer.on("end", () => done({ status: answer.statusCode, text }));
    });
    asked.on("error", failed);
    asked.end(body);
  });
}

/** A session as clients of before have it: initialize, then calls. */
export async function session(address, server, client) {
  let id;
  const ask = (message) => {
    const body = JSON.stringify({ jsonrpc: "2.0", ...message });
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream", ...(id === undefined ? {} : { "mcp-session-id": id, "mcp-protocol-version": "2025-11-25" }) };
    return fetch(`http://${address}/${server}/mcp`, { method: "POST", headers, body });
  };
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: client, version: "1" } };
  const begun = await ask({ id: 1, method: "initialize", params });
  id = begun.headers.get("mcp-session-id") ?? undefined;
  await begun.text();
  await (await ask({ method: "notifications/initialized" })).text();
  return { request: async (method, params) => (await ask({ id: ++number, method, params })).text() };
}
