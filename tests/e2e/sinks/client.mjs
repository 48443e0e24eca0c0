// What an operator asks of Elasticsearch, with its official client. Argument 1: the address.
// Prints the hits of the question 'which calls of this tool took two seconds and more'.
import { createRequire } from "node:module";
import process from "node:process";

const require = createRequire(process.env.SINKS_DEPS + "/package.json");
const { Client } = require("@elastic/elasticsearch");

const client = new Client({ node: process.argv[2] });
const found = await client.search({
  index: "mcp-logs",
  query: {
    bool: {
      must: [{ match: { tool: process.argv[3] } }, { range: { "@timestamp": { gte: "2026-01-01T00:00:00Z" } } }],
      filter: [{ range: { duration: { gte: 2000 } } }],
    },
  },
  sort: [{ duration: { order: "desc" } }],
  size: 100,
});
console.log(JSON.stringify(found.hits.hits.map((hit) => hit._source)));
await client.close();
