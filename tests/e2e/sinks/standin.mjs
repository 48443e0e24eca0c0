// A stand-in for Elasticsearch: what Pilothouse and the official client ask of one, and strict about it.
//
// Misbehaves as `plan` (argument 1, JSON) says, one entry per `_bulk` request: "429", "503", "reset"
// (documents are taken, then the connection is cut), "partial" (every third document gets 429, every
// tenth-and-first 400 once), "ok". After the plan, everything is ok. Prints its port.
import { createServer } from "node:http";

const plan = JSON.parse(process.argv[2] ?? "[]");
const documents = new Map(); // id -> document
const seen = { template: null, authorization: new Set(), problems: [], bulk: 0, repeated: 0 };

function problem(text) {
  seen.problems.push(text);
}

function bulk(body, step) {
  if (!body.endsWith("\n")) problem("the last line of _bulk has no end");
  const lines = body.split("\n").slice(0, -1);
  if (lines.length % 2) problem("_bulk has an odd number of lines");
  const items = [];
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const action = JSON.parse(lines[at]);
    const document = JSON.parse(lines[at + 1]);
    const id = action.create?._id;
    // A data stream takes `create` only, and needs `@timestamp`.
    if (Object.keys(action).join() !== "create" || !id) problem(`not a create: ${lines[at]}`);
    if (Number.isNaN(Date.parse(document["@timestamp"]))) problem(`no @timestamp: ${lines[at + 1]}`);
    if (document.params !== undefined && typeof document.params !== "object") problem("params is no object");
    if (step === "partial" && (at / 2) % 3 === 0) {
      items.push(failed(id, 429, "es_rejected_execution_exception", "rejected execution"));
    } else if (documents.has(id)) {
      seen.repeated += 1;
      items.push(failed(id, 409, "version_conflict_engine_exception", "document already exists"));
    } else {
      documents.set(id, document);
      items.push({ create: { _index: ".ds-mcp-logs-000001", _id: id, status: 201, result: "created" } });
    }
  }
  const errors = items.some((item) => item.create.error);
  return { took: 1, errors, items };
}

function failed(id, status, type, reason) {
  return { create: { _index: ".ds-mcp-logs-000001", _id: id, status, error: { type, reason } } };
}

// The query language, as far as the question of an operator goes.
function matches(query, document) {
  const [[kind, about]] = Object.entries(query);
  if (kind === "match_all") return true;
  if (kind === "bool") {
    const all = [...(about.must ?? []), ...(about.filter ?? [])];
    return all.every((part) => matches(part, document));
  }
  const [[field, want]] = Object.entries(about);
  const value = field.split(".").reduce((at, name) => at?.[name], document);
  if (kind === "match" || kind === "term") return value === (want.query ?? want.value ?? want);
  if (kind === "range") {
    const number = (it) => (typeof it === "number" ? it : Date.parse(it));
    if (value === undefined) return false;
    const at = number(value);
    return (
      (want.gte === undefined || at >= number(want.gte)) &&
      (want.gt === undefined || at > number(want.gt)) &&
      (want.lte === undefined || at <= number(want.lte)) &&
      (want.lt === undefined || at < number(want.lt))
    );
  }
  throw new Error(`the stand-in does not know ${kind}`);
}

function search(request) {
  let hits = [...documents].filter(([, document]) => matches(request.query ?? { match_all: {} }, document));
  for (const sort of [request.sort ?? []].flat().reverse()) {
    const [[field, how]] = Object.entries(sort);
    const sign = (how.order ?? how) === "desc" ? -1 : 1;
    hits = hits.sort(([, a], [, b]) => sign * (a[field] < b[field] ? -1 : a[field] > b[field] ? 1 : 0));
  }
  const total = hits.length;
  hits = hits.slice(0, request.size ?? 10).map(([_id, _source]) => ({ _index: "mcp-logs", _id, _score: null, _source }));
  return { took: 1, timed_out: false, _shards: { total: 1, successful: 1, failed: 0 }, hits: { total: { value: total, relation: "eq" }, hits } };
}

function answer(request, body, response) {
  const send = (status, value, headers = {}) => {
    response.writeHead(status, {
      "content-type": "application/vnd.elasticsearch+json;compatible-with=9",
      "x-elastic-product": "Elasticsearch",
      ...headers,
    });
    response.end(JSON.stringify(value));
  };
  const path = new URL(request.url, "http://stand-in").pathname;
  if (request.headers.authorization) seen.authorization.add(request.headers.authorization);
  if (path === "/") return send(200, { version: { number: "9.1.0" }, tagline: "You Know, for Search" });
  if (path === "/_seen") return send(200, { ...seen, authorization: [...seen.authorization], documents: [...documents] });
  if (path === "/_index_template/mcp-logs" && request.method === "PUT") {
    seen.template = JSON.parse(body);
    return send(200, { acknowledged: true });
  }
  if (path === "/mcp-logs/_bulk" && request.method === "POST") {
    if (!seen.template) problem("a document came before its template");
    const step = plan[seen.bulk++] ?? "ok";
    if (step === "429") return send(429, { status: 429 }, { "retry-after": "0" });
    if (step === "503") return send(503, { status: 503 });
    const result = bulk(body, step);
    if (step === "reset") return response.destroy();
    return send(200, result);
  }
  if (path === "/mcp-logs/_search") return send(200, search(JSON.parse(body || "{}")));
  problem(`${request.method} ${request.url}`);
  return send(404, { error: { type: "not_found", reason: path }, status: 404 });
}

const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    try {
      answer(request, Buffer.concat(parts).toString("utf8"), response);
    } catch (error) {
      problem(`${request.method} ${request.url}: ${error.message}`);
      response.destroy();
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
