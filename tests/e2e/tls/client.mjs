// The official TypeScript client against a listener with TLS: `client.mjs URL`. Each line on stdin is a text to echo; what
// came back goes to stdout. The session lives as long as stdin.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const resolve = createRequire(process.env.CLIENTS_DEPS + "/package.json").resolve;
const load = (name) => import(pathToFileURL(resolve(name)).href);
const { Client } = await load("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = await load("@modelcontextprotocol/sdk/client/streamableHttp.js");

const client = new Client({ name: "tls", version: "1" });
await client.connect(new StreamableHTTPClientTransport(new URL(process.argv[2])));
console.log("connected");
for await (const text of createInterface({ input: process.stdin })) {
  const result = await client.callTool({ name: "echo", arguments: { text } });
  console.log(result.content[0].text);
}
await client.close();
