// What each view takes over a day of calls and metrics. Of each the median of the rounds counts.
import { chromium } from "playwright-core";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Gateway, until } from "./gateway.mjs";
import { call } from "./traffic.mjs";

const SERVER_MS_MAX = 300;
const SCRIPT_MS_MAX = 200;
/** Nothing has been asked for so long: the view is there. */
const QUIET_MS = 700;
const VIEW_MS_MAX = 60_000;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false }, calls: { type: "string" }, series: { type: "string", default: "5000" }, rounds: { type: "string" } },
});
// Quick, it shows that everything can be measured; a machine that does other things beside misses what it likes.
const calls = options.calls ?? (options.quick ? "100000" : "1000000");
const rounds = Number(options.rounds ?? (options.quick ? 1 : 3));

const views = {
  overview: "?range=24h",
  "overview of an hour": "?range=1h",
  server: "server?name=files&range=24h",
  calls: "calls?range=24h",
  "calls searched": `calls?range=24h&query=${encodeURIComponent("tool=searchFiles duration>=2s")}`,
  "calls by text": `calls?range=24h&query=${encodeURIComponent('"permission denied"')}`,
  "slowest traces": "trace?range=24h",
  explore: `explore?range=24h&query=${encodeURIComponent("sum by (tool) (rate(mcp_tool_calls_total[5m]))")}`,
  alerts: "alerts?range=24h",
  vulnerabilities: "vulnerabilities",
  cost: "cost?range=24h",
  settings: "settings",
};
const chosen = positionals.length === 0 ? Object.keys(views) : positionals;

const folder = mkdtempSync(join(tmpdir(), "console-bench-"));
const gateway = new Gateway(folder);
const made = JSON.parse(execFileSync(process.env.PH_BENCH_BIN, ["past", "--dir", gateway.data, "--calls", calls, "--series", options.series], { encoding: "utf8" }));
console.log(`stored: ${made.calls} calls, ${made.events} events, ${made.series} series, ${made.samples} samples`);

const upstream = spawn(process.env.PH_BENCH_BIN, ["upstream-http"], { stdio: ["ignore", "pipe", "inherit"] });
const upstreamAt = JSON.parse(await new Promise((done) => upstream.stdout.once("data", (data) => done(String(data))))).listening;
const server = (name) => `  ${name}: {url: "http://${upstreamAt}/mcp"}\n`;
const names = ["files", "issues", "warehouse", ...Array.from({ length: 17 }, (_, n) => `server-${String(n + 3).padStart(3, "0")}`)];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
let missed = 0;
try {
  await gateway.start(`servers:\n${names.map(server).join("")}`);
  // The first call makes a server known; what runs beside is what any gateway has.
  for (const name of names.slice(0, 3)) await call(gateway.listen, name, "echo", { text: "x" });
  await until("the first sample", async () => (await gateway.api("/api/v1/query?query=mcp_server_up")).text.includes('"files"') || undefined);
  console.log(`${"view".padEnd(22)} ${"server ms".padStart(10)} ${"script ms".padStart(10)} ${"points/px".padStart(10)}   asked; slowest`);
  for (const name of chosen) {
    if (views[name] === undefined) throw new Error(`there is no view ${name}: ${Object.keys(views).join(", ")}`);
    const all = [];
    for (let n = 0; n < rounds; n += 1) all.push(await look(views[name]));
    show(name, all);
  }
} finally {
  await browser.close();
  await gateway.stop();
  upstream.kill();
  rmSync(folder, { recursive: true, force: true });
}
console.log(missed === 0 ? `each view: server under ${SERVER_MS_MAX} ms, scripts under ${SCRIPT_MS_MAX} ms, no more points than pixels` : `${missed} promises missed`);
process.exit(missed === 0 || options.quick ? 0 : 1);

/** Opens a view in a browser that has nothing yet. */
async function look(view) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-US" });
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send("Performance.enable");
  const asked = [];
  const open = new Map();
  const reads = [];
  let last = Date.now();
  const isCounted = (request) => request.url().includes("/api/") && !request.url().endsWith("/live");
  page.on("request", (request) => {
    if (!isCounted(request)) return;
    open.set(request, true);
    last = Date.now();
  });
  const ended = (request) => {
    if (!open.delete(request)) return;
    last = Date.now();
    const { startTime, requestStart, responseEnd } = request.timing();
    asked.push({ name: said(request), from: startTime + requestStart, to: startTime + responseEnd, ms: responseEnd - requestStart });
    if (request.url().includes("query_range")) reads.push(points(request));
  };
  page.on("requestfinished", ended);
  page.on("requestfailed", ended);
  await page.goto(`http://${gateway.admin}/${view}`);
  const end = Date.now() + VIEW_MS_MAX;
  const isLoading = async () => (await page.locator(".loading, [aria-busy=true]").count()) > 0;
  while (open.size > 0 || asked.length === 0 || Date.now() - last < QUIET_MS || (await isLoading())) {
    if (Date.now() > end) throw new Error(`${view}: not there after ${VIEW_MS_MAX} ms`);
    await new Promise((done) => setTimeout(done, 20));
  }
  const { metrics } = await devtools.send("Performance.getMetrics");
  const script = metrics.find((one) => one.name === "ScriptDuration").value * 1000;
  // Charts are as wide as the plots of the page; a sparkline is drawn in a viewBox.
  const pixels = await page.evaluate(() => Math.min(...[...document.querySelectorAll(".plot")].map((plot) => plot.clientWidth)));
  const most = Math.max(0, ...(await Promise.all(reads)));
  await context.close();
  return { server: union(asked), script, most, pixels, asked };
}

function said(request) {
  const body = new URLSearchParams(request.postData() ?? "");
  return `${new URL(request.url()).pathname}${body.has("query") ? ` ${body.get("query")}` : ""}`;
}

/** The most points of one line. */
async function points(request) {
  const answer = await request.response();
  const body = await answer?.json().catch(() => undefined);
  return Math.max(0, ...(body?.data?.result ?? []).map((row) => row.values.length));
}

/** Milliseconds in which at least one question was open. */
function union(asked) {
  let [total, until] = [0, 0];
  for (const { from, to } of [...asked].sort((a, b) => a.from - b.from)) {
    total += Math.max(0, to - Math.max(from, until));
    until = Math.max(until, to);
  }
  return total;
}

function show(name, all) {
  const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
  const serverMs = median(all.map((one) => one.server));
  const scriptMs = median(all.map((one) => one.script));
  const perPixel = Math.max(...all.map((one) => (one.most === 0 ? 0 : one.most / one.pixels)));
  const mark = (isMissed, text) => {
    if (isMissed) missed += 1;
    return `${isMissed ? "!" : ""}${text}`.padStart(10);
  };
  const slowest = all[0].asked.sort((a, b) => b.ms - a.ms)[0];
  const row = [
    name.padEnd(22),
    mark(serverMs >= SERVER_MS_MAX, serverMs.toFixed(0)),
    mark(scriptMs >= SCRIPT_MS_MAX, scriptMs.toFixed(0)),
    mark(perPixel > 1, perPixel.toFixed(2)),
    ` ${all[0].asked.length}; ${slowest.ms.toFixed(0)} ms ${slowest.name.slice(0, 120)}`,
  ];
  console.log(row.join(" "));
}
