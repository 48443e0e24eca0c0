// Drives the official TypeScript clients. Each line on stdin is a case, each step of it is answered with
// one line on stdout, and a last line tells what went over the wire:
//
//   {"case":"…","client":"ts1|ts2","mode":"legacy|auto|modern","url":"…"|"command":[…],"steps":[{"do":…}]}
//
// The process lives for the whole suite, so that the packages are loaded once. What is right or wrong is
// not decided here: `run` compares the answers with its table.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// The packages live in .deps/clients, not beside this file.
const resolve = createRequire(process.env.CLIENTS_DEPS + "/package.json").resolve;
const load = (name) => import(pathToFileURL(resolve(name)).href);
const [v2, v2stdio, v1, v1http, v1stdio, v1types] = await Promise.all([
  load("@modelcontextprotocol/client"),
  load("@modelcontextprotocol/client/stdio"),
  load("@modelcontextprotocol/sdk/client/index.js"),
  load("@modelcontextprotocol/sdk/client/streamableHttp.js"),
  load("@modelcontextprotocol/sdk/client/stdio.js"),
  load("@modelcontextprotocol/sdk/types.js"),
]);

const STEP_MS = 15_000;
const MODERN = "2026-07-28";

/** What one case sent and saw, told apart by JSON-RPC method. */
class Wire {
  sent = {};
  asked = {};
  answered = 0;
  streams = 0;
  notifications = [];
  #waiters = [];

  count(body) {
    const messages = [JSON.parse(body)].flat();
    for (const { id, method } of messages) {
      if (id === undefined) continue;
      if (method === undefined) this.answered += 1;
      else this.sent[method] = (this.sent[method] ?? 0) + 1;
    }
  }

  fetch = async (url, init) => {
    if (typeof init?.body === "string") this.count(init.body);
    const response = await fetch(url, init);
    if ((init?.method ?? "GET") === "GET" && response.ok) {
      this.streams += 1;
      this.changed();
    }
    return response;
  };

  /** A request of the server's arrived at a handler of ours. */
  ask(method) {
    this.asked[method] = (this.asked[method] ?? 0) + 1;
    this.changed();
  }

  note(notification) {
    this.notifications.push(notification);
    this.changed();
  }

  changed() {
    for (const check of [...this.#waiters]) check();
  }

  /** Resolves as soon as `holds` does. */
  until(what, holds) {
    return new Promise((done, failed) => {
      const timer = setTimeout(() => failed(new Error(`no ${what} within ${STEP_MS} ms`)), STEP_MS);
      const check = () => {
        if (!holds()) return;
        clearTimeout(timer);
        this.#waiters = this.#waiters.filter((other) => other !== check);
        done();
      };
      this.#waiters.push(check);
      check();
    });
  }
}

const answers = {
  "sampling/createMessage": (params) => ({
    role: "assistant",
    model: "parrot-1",
    content: { type: "text", text: `parrot says: ${params.messages[0].content.text ?? params.messages[0].content[0].text}` },
    stopReason: "endTurn",
  }),
  "elicitation/create": () => ({ action: "accept", content: { name: "Ada Lovelace" } }),
  "roots/list": () => ({ roots: [{ uri: "file:///srv/harbour", name: "harbour" }] }),
};

async function connect({ client: kind, mode, url, command, roots }, wire) {
  const info = { name: `drive-${kind}`, version: "1.0.0" };
  const capabilities = { sampling: {}, elicitation: {}, ...(roots ? { roots: {} } : {}) };
  const stdio = command && { command: command[0], args: command.slice(1), stderr: "ignore" };
  const http = { fetch: wire.fetch };
  let client, transport;
  if (kind === "ts1") {
    client = new v1.Client(info, { capabilities });
    const schemas = {
      "sampling/createMessage": v1types.CreateMessageRequestSchema,
      "elicitation/create": v1types.ElicitRequestSchema,
      "roots/list": v1types.ListRootsRequestSchema,
    };
    for (const [method, answer] of Object.entries(answers)) {
      if (method === "roots/list" && !roots) continue;
      client.setRequestHandler(schemas[method], (request) => (wire.ask(method), answer(request.params)));
    }
    transport = stdio ? new v1stdio.StdioClientTransport(stdio) : new v1http.StreamableHTTPClientTransport(new URL(url), http);
  } else {
    const versionNegotiation = mode === "default" ? undefined : { mode: mode === "modern" ? { pin: MODERN } : mode };
    client = new v2.Client(info, { capabilities, versionNegotiation });
    for (const [method, answer] of Object.entries(answers)) {
      if (method === "roots/list" && !roots) continue;
      client.setRequestHandler(method, (request) => (wire.ask(method), answer(request.params)));
    }
    transport = stdio ? new v2stdio.StdioClientTransport(stdio) : new v2.StreamableHTTPClientTransport(new URL(url), http);
  }
  // The 1.x client keeps the version for its transport alone.
  const keep = transport.setProtocolVersion?.bind(transport);
  const agreed = {};
  transport.setProtocolVersion = (version) => ((agreed.version = version), keep?.(version));
  client.fallbackNotificationHandler = async (notification) => wire.note(notification);
  await client.connect(transport, { timeout: STEP_MS });
  return { client, transport, agreed };
}

const textOf = (result) => (result.content ?? []).map((item) => item.text ?? "").join("");

/** The steps. Each gets the connection, the wire and the step's own fields, and answers with facts. */
const steps = {
  async list_tools({ client }) {
    return { names: (await client.listTools()).tools.map((tool) => tool.name) };
  },
  async call({ client, kind }, wire, { name, args }) {
    const progress = [];
    const started = performance.now();
    let first;
    const onprogress = (p) => {
      first ??= performance.now() - started;
      progress.push(p.progress);
    };
    const options = { onprogress, timeout: STEP_MS, resetTimeoutOnProgress: true };
    const params = { name, arguments: args ?? {} };
    const result = kind === "ts1" ? await client.callTool(params, undefined, options) : await client.callTool(params, options);
    const rest = performance.now() - started - (first ?? 0);
    return {
      text: textOf(result),
      is_error: result.isError === true,
      structured: result.structuredContent ?? null,
      progress,
      // How long before the answer the first progress came: 0 when they came together.
      progress_ahead_ms: first === undefined ? 0 : Math.round(rest),
    };
  },
  /** Calls at the same time, each with a text of its own. */
  async many({ client }, wire, { name, argument, prefix, count }) {
    const texts = Array.from({ length: count }, (_, n) => `number ${n} of ${count}`);
    const results = await Promise.all(texts.map((text) => client.callTool({ name, arguments: { [argument]: text } })));
    const bad = results.map(textOf).filter((text, n) => text !== prefix + texts[n]);
    return { good: count - bad.length, bad };
  },
  /** Starts a call and aborts it, on its first progress if it reports any, else after a while. */
  async cancel({ client, kind }, wire, { name, args, after_ms }) {
    const abort = new AbortController();
    const stop = () => abort.abort(new Error("changed my mind"));
    const options = { signal: abort.signal, timeout: STEP_MS, onprogress: after_ms ? () => {} : stop };
    if (after_ms) setTimeout(stop, after_ms);
    const params = { name, arguments: args ?? {} };
    const started = performance.now();
    try {
      const result = kind === "ts1" ? await client.callTool(params, undefined, options) : await client.callTool(params, options);
      return { cancelled: false, text: textOf(result) };
    } catch (error) {
      return { cancelled: abort.signal.aborted, message: String(error), took_ms: Math.round(performance.now() - started) };
    }
  },
  /** A call that the server turns into a task of 2025-11-25, followed to its result. */
  async task({ client }, wire, { name, args }) {
    const seen = [];
    const options = { task: { ttl: 60_000 }, timeout: STEP_MS };
    const stream = client.experimental.tasks.callToolStream({ name, arguments: args }, undefined, options);
    for await (const message of stream) {
      seen.push(message.type);
      if (message.type === "result") return { text: textOf(message.result), seen };
      if (message.type === "error") throw message.error;
    }
    throw new Error(`no result after ${seen}`);
  },
  async list_prompts({ client }) {
    return { names: (await client.listPrompts()).prompts.map((prompt) => prompt.name) };
  },
  async get_prompt({ client }, wire, { name, args }) {
    const { messages } = await client.getPrompt({ name, arguments: args ?? {} });
    return { text: messages.map((message) => message.content.text ?? "").join("") };
  },
  async list_resources({ client }) {
    return { uris: (await client.listResources()).resources.map((resource) => resource.uri) };
  },
  async list_templates({ client }) {
    return { uris: (await client.listResourceTemplates()).resourceTemplates.map((template) => template.uriTemplate) };
  },
  async read_resource({ client }, wire, { uri }) {
    const { contents } = await client.readResource({ uri });
    return { text: contents.map((content) => content.text ?? content.blob).join("") };
  },
  async complete({ client }, wire, { ref, argument }) {
    return { values: (await client.complete({ ref, argument })).completion.values };
  },
  async ping({ client }) {
    return { result: await client.ping() };
  },
  async subscribe({ client }, wire, { uri }) {
    return { result: await client.subscribeResource({ uri }) };
  },
  async unsubscribe({ client }, wire, { uri }) {
    return { result: await client.unsubscribeResource({ uri }) };
  },
  async listen(connection, wire, { filter }) {
    connection.subscription = await connection.client.listen(filter);
    return {};
  },
  async unlisten({ subscription }) {
    await subscription.close();
    return {};
  },
  async wait_stream(connection, wire) {
    await wire.until("event stream", () => wire.streams > 0);
    return {};
  },
  async wait_note(connection, wire, { method, uri }) {
    const wanted = (n) => n.method === method && (uri === undefined || n.params?.uri === uri);
    await wire.until(method, () => wire.notifications.some(wanted));
    return {};
  },
  async wait_asked(connection, wire, { method }) {
    await wire.until(method, () => wire.asked[method] > 0);
    return {};
  },
};

function facts(error) {
  const data = error?.data ?? error?.body;
  return { ok: false, error: `${error?.name}: ${error?.message}`.slice(0, 2000), code: error?.code ?? null, ...(data ? { data } : {}) };
}

async function drive(plan, say) {
  const wire = new Wire();
  let connection;
  try {
    connection = { ...(await connect(plan, wire)), kind: plan.client };
    const { client } = connection;
    say({
      do: "connect",
      ok: true,
      server: client.getServerVersion()?.name ?? null,
      version: client.getNegotiatedProtocolVersion?.() ?? connection.agreed.version ?? null,
    });
  } catch (error) {
    say({ do: "connect", ...facts(error) });
  }
  for (const step of connection ? plan.steps : []) {
    try {
      say({ do: step.do, ok: true, ...(await steps[step.do](connection, wire, step)) });
    } catch (error) {
      say({ do: step.do, ...facts(error) });
      if (!step.may_fail) break;
    }
  }
  // A case ends as a polite client does: a legacy session is told to end, then the transport closes.
  await connection?.transport.terminateSession?.().catch(() => {});
  await connection?.client.close().catch(() => {});
  say({ done: true, sent: wire.sent, asked: wire.asked, answered: wire.answered, streams: wire.streams });
}

// A stray rejection belongs to the case that is running; it must not end the driver.
process.on("unhandledRejection", (error) => console.error("drive.mjs: unhandled", error));

for await (const line of createInterface({ input: process.stdin })) {
  const plan = JSON.parse(line);
  await drive(plan, (fact) => process.stdout.write(JSON.stringify({ case: plan.case, ...fact }) + "\n"));
}
