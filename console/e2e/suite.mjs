// The console in a browser, against the real binary with real traffic. Nothing here waits for a fixed time.
import { chromium } from "playwright-core";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Gateway, BINARY, LIMIT_MS, until } from "./gateway.mjs";
import { proxy } from "./proxy.mjs";
import { call, session } from "./traffic.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const BYTES_MAX = 300 * 1024;
const CLIENT = "suite-client";

let passed = 0;
let failed = 0;
function check(name, fine, seen) {
  if (fine) passed += 1;
  else {
    failed += 1;
    console.log(`FAILED ${name}${seen === undefined ? "" : `: ${typeof seen === "string" ? seen : JSON.stringify(seen)}`}`);
  }
}

const folder = mkdtempSync(join(tmpdir(), "console-"));
const root = join(folder, "files");
mkdirSync(root);
for (let n = 0; n < 12; n += 1) writeFileSync(join(root, `report-${n}.txt`), "x");

// What the hostile server says of itself to be made of; nothing depends on what that package does.
const lodash = join(folder, "srv/node_modules/lodash");
mkdirSync(lodash, { recursive: true });
writeFileSync(join(lodash, "package.json"), JSON.stringify({ name: "lodash", version: "4.17.4", main: "index.js" }));
writeFileSync(join(lodash, "index.js"), "exports.merge = Object.assign;\n");
writeFileSync(join(folder, "srv/package.json"), JSON.stringify({ name: "srv", type: "module", dependencies: { lodash: "4.17.4" } }));
copyFileSync(join(HERE, "hostile.mjs"), join(folder, "srv/server.mjs"));

const config = (more) => `
store: {sample_interval: 500ms}
rules: {interval: 1s}
log: {params: true}
pins: {mode: alert}
servers:
  files:
    command: ${BINARY}
    args: [workbench, --root, ${root}, --stat-delay, 5ms]
    otel: true
    health: {interval: 1s}
    replicas: {min: 1, max: 4}
  hostile:
    command: ${process.execPath}
    args: [${join(folder, "srv/server.mjs")}]
    health: {interval: 1s}
  away:
    url: http://127.0.0.1:9/mcp
    health: {interval: 1s}
${more}`;

const gateway = new Gateway(folder);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const troubles = [];
let prefixed;
let fresh;

/** A page that tells of everything that must not happen. */
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-US", ...options });
  await context.addInitScript(() => {
    window.addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
  });
  const page = await context.newPage();
  page.setDefaultTimeout(LIMIT_MS);
  const hosts = new Set([gateway.admin, prefixed?.address, fresh?.address]);
  page.on("console", (message) => {
    // A server that is being restarted, a key that is wrong: the browser tells of these by itself.
    const isExpected = page.expects?.some((word) => message.text().includes(word));
    if (message.type() === "error" && !isExpected) troubles.push(message.text());
  });
  page.on("pageerror", (error) => troubles.push(`${page.url()}: ${error.stack}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (!hosts.has(url.host) && url.protocol !== "data:") troubles.push(`asked ${request.url()}`);
  });
  return page;
}

async function axe(page, name) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }));
  const told = found.violations.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(" | ")}`);
  check(`axe: ${name}`, told.length === 0, told.join("; "));
}

// While the console is written, it may come from its folder instead of the binary: CONSOLE_DIST=console/dist.
const at = (path) => `http://${fresh?.address ?? gateway.admin}/${path}`;

async function files() {
  const page = await gateway.api("/", { headers: { accept: "text/html" } });
  check("the page has a policy", /script-src 'self'/.test(page.headers.get("content-security-policy") ?? "") && !/unsafe/.test(page.headers.get("content-security-policy") ?? ""));
  check("the page is built", page.text.includes("assets/index-"), page.text.slice(0, 200));
  check("the page is asked for again", page.headers.get("cache-control") === "no-cache" && page.headers.get("x-content-type-options") === "nosniff");
  const known = await gateway.api("/", { headers: { accept: "text/html", "if-none-match": page.headers.get("etag") } });
  check("a page that is known is not sent", known.status === 304, known.status);
  let bytes = 0;
  for (const [, path] of page.text.matchAll(/(?:src|href)="\.(\/assets\/[^"]+)"/g)) {
    const file = await fetch(`http://${gateway.admin}${path}`, { headers: { "accept-encoding": "gzip" } });
    check(`${path} is kept for ever`, file.headers.get("cache-control").includes("immutable") && file.headers.get("content-encoding") === "gzip");
    bytes += Number(file.headers.get("content-length"));
    await file.arrayBuffer();
  }
  console.log(`the console is ${bytes} bytes, compressed`);
  check("the console is small", bytes > 0 && bytes < BYTES_MAX, bytes);
  check("an unknown file is none", (await gateway.api("/assets/none.js")).status === 404);
  check("an unknown page is none", (await gateway.api("/nowhere", { headers: { accept: "text/html" } })).status === 404);
  check("who is no browser gets text", !(await gateway.api("/")).text.includes("<!doctype"));
}

async function overview() {
  const page = await open();
  await page.goto(at(""));
  await page.locator(".tile", { hasText: "files" }).locator("text=up").first().waitFor();
  await page.locator(".verdict", { hasText: "1 server does not answer" }).waitFor();
  check("four objectives", (await page.locator(".slo").count()) === 4);
  await page.locator(".tile", { hasText: "files" }).locator("dd").first().filter({ hasText: /[1-9]/ }).waitFor();
  check("charts are drawn", (await page.locator(".chart canvas").count()) >= 3);
  await axe(page, "overview, light");
  // What changes is seen without a word.
  await gateway.api("/api/pilothouse/servers/files", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ action: "drain" }) });
  await page.locator(".tile", { hasText: "files" }).locator("text=drained").waitFor();
  await page.locator(".changes li", { hasText: "server.change" }).first().waitFor();
  await gateway.api("/api/pilothouse/servers/files", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ action: "resume" }) });
  await page.locator(".tile", { hasText: "files" }).locator("text=up").first().waitFor();
  check("a change is seen live", true);
  // Keys.
  await page.keyboard.press("j");
  check("j goes to a row", await page.evaluate(() => document.activeElement?.closest(".rows") !== null));
  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await page.locator("#query").waitFor();
  await page.keyboard.press("/");
  check("/ goes to the search", await page.evaluate(() => document.activeElement?.id === "query"));
  await page.keyboard.press("Escape");
  await page.keyboard.press("g");
  await page.keyboard.press("o");
  await page.locator(".verdict").waitFor();
  await page.keyboard.press("?");
  await page.locator("dialog").waitFor();
  await axe(page, "help");
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.context().close();
}

async function server() {
  const page = await open({ colorScheme: "dark" });
  await page.goto(at("server?name=files&range=15m"));
  await page.locator("h1", { hasText: "files" }).waitFor();
  await page.locator("tr", { hasText: "searchFiles" }).first().waitFor();
  check("a deep link has its range", (await page.locator(".range select").inputValue()) === "15m");
  await page.locator(".lines li", { hasText: "tools/call" }).first().waitFor();
  await axe(page, "server, dark");
  await page.getByRole("button", { name: "Scale" }).click();
  await page.locator("dialog input").fill("99");
  await page.locator("dialog button[type=submit]").click();
  check("a wrong number is told beside its field", (await page.locator("#replicas-wrong").textContent()).includes("0 to 64"));
  await axe(page, "a dialog");
  await page.locator("dialog input").fill("2");
  await page.locator("dialog button[type=submit]").click();
  await page.locator("dialog").waitFor({ state: "detached" });
  await until("two replicas", async () => JSON.parse((await gateway.api("/api/pilothouse/servers/files")).text).wanted === 2);
  await page.locator("td", { hasText: "ready" }).nth(1).waitFor();
  check("a server is scaled in three clicks", true);
  await page.context().close();
}

async function calls() {
  const page = await open();
  await page.goto(at(`calls?query=${encodeURIComponent("tool=searchFiles duration>=20ms")}&order=slowest`));
  await page.locator(".record").first().waitFor();
  check("calls are found", (await page.locator(".record .what", { hasText: "searchFiles" }).count()) > 0);
  check("there is a histogram", (await page.locator(".bars rect").count()) > 0);
  await axe(page, "calls");
  await page.locator("#query").fill("stat");
  await page.locator(".offers button", { hasText: "status" }).click();
  check("fields are completed", (await page.locator("#query").inputValue()) === "status=");
  page.expects = ["400"];
  await page.locator("#query").fill("level>=warning");
  await page.keyboard.press("Enter");
  await page.locator("#query-wrong", { hasText: "warning" }).waitFor();
  check("what is wrong is told beside the field", true);
  page.expects = [];
  await page.locator("#query").fill("tool=searchFiles outcome=ok");
  await page.keyboard.press("Enter");
  await page.locator(".record").first().click();
  await page.locator("dialog pre", { hasText: "maxResults" }).waitFor();
  await axe(page, "a call");
  await page.locator("dialog a", { hasText: "Trace" }).click();
  await page.locator(".waterfall", { hasText: "fs.stat" }).waitFor();
  check("the bottleneck is named", (await page.locator("body").textContent()).includes("Bottleneck"));
  await axe(page, "trace");
  const address = page.url();
  await page.reload();
  await page.locator(".waterfall", { hasText: "fs.readdir" }).waitFor();
  check("a trace has its address", page.url() === address && /id=[0-9a-f]{32}/.test(address));
  // Followed, new calls come by themselves.
  await page.goto(at("calls?follow=1&query=tool%3Decho"));
  await page.locator("button[aria-pressed=true]").waitFor();
  await until("a call that is followed", async () => {
    await call(gateway.listen, "files", "echo", { text: "followed" }, "follower");
    return (await page.locator(".record", { hasText: "follower" }).count()) > 0;
  });
  check("calls are followed", true);
  await page.context().close();
}

async function alerts() {
  const page = await open();
  await page.goto(at("alerts"));
  const row = page.locator(".alert", { hasText: "ServerDown" }).first();
  await row.waitFor();
  await page.locator(".slo").nth(3).waitFor();
  await axe(page, "alerts");
  await row.getByRole("button", { name: "Silence" }).click();
  await page.locator("dialog button[type=submit]").click();
  check("a silence needs a reason", (await page.locator("#comment-wrong").textContent()).includes("Say why"));
  await page.locator("dialog input").fill("known: <b>maintenance</b>");
  await page.locator("dialog button[type=submit]").click();
  await page.locator(".silences li", { hasText: "ServerDown" }).waitFor();
  await row.locator("text=silenced").waitFor();
  check("an alert is silenced in three clicks", true);
  await page.locator(".silences li button").first().click();
  await page.locator(".silences li").waitFor({ state: "detached" });
  check("a silence is ended", true);
  await page.context().close();
}

async function vulnerabilities() {
  const page = await open();
  await page.goto(at("vulnerabilities"));
  const card = page.locator(".case button", { hasText: "npm/lodash" }).first();
  await card.waitFor();
  await axe(page, "vulnerabilities");
  await card.click();
  await page.locator("dialog .move").waitFor();
  check("a case has its address", /case=\d+/.test(page.url()), page.url());
  await page.locator("dialog .move button[type=submit]").click();
  check("a move needs a reason", (await page.locator("#reason-wrong").textContent()).includes("Say why"));
  await axe(page, "a case");
  await page.locator("dialog .move select").first().selectOption("assess");
  await page.locator("dialog .move input").last().fill("<i>looked at</i>");
  await page.locator("dialog .move button[type=submit]").click();
  await page.locator("dialog .lines li", { hasText: "<i>looked at</i>" }).waitFor();
  await page.keyboard.press("Escape");
  await page.locator(".board h2", { hasText: "Assessed" }).waitFor();
  check("a case is moved", true);
  await page.context().close();
}

async function explore() {
  const page = await open();
  await page.goto(at("graph?g0.expr=mcp_server_up"));
  await page.locator("td", { hasText: "mcp_server_up" }).first().waitFor();
  check("a link of an alert leads to its expression", page.url().endsWith("explore?query=mcp_server_up"), page.url());
  check("it is drawn", (await page.locator(".chart canvas").count()) === 1);
  await axe(page, "explore");
  await page.locator("#promql").fill("mcp_server_resi");
  await page.locator(".offers button", { hasText: "mcp_server_resident_memory_bytes" }).click();
  await page.keyboard.press("Enter");
  await page.locator("td", { hasText: "mcp_server_resident_memory_bytes" }).first().waitFor();
  check("names of metrics are completed", true);
  page.expects = ["400"];
  await page.locator("#promql").fill("sum(");
  await page.keyboard.press("Enter");
  await page.locator("#promql-wrong").filter({ hasText: /./ }).waitFor();
  check("a mistake is told beside the field", true);
  await page.context().close();
}

async function hostile() {
  const page = await open();
  for (const path of ["server?name=hostile", "calls?query=server%3Dhostile&range=15m", "calls?query=kind%3Dstderr%20server%3Dhostile"]) {
    await page.goto(at(path));
    await page.locator("main .foreign", { hasText: /onerror|bold/ }).first().waitFor();
    const seen = await page.evaluate(() => ({
      made: document.querySelectorAll("main img, main script, main b > b").length,
      caught: window.caught === 1,
      hidden: /[\u001b\u202e\u2066]/.test(document.body.innerText),
      long: document.body.innerText.length,
    }));
    check(`inert: ${path}`, seen.made === 0 && !seen.caught && !seen.hidden && seen.long < 200_000, seen);
  }
  await page.locator(".record").first().click();
  await page.locator("dialog").waitFor();
  check("inert: opened", await page.evaluate(() => document.querySelectorAll("dialog img, dialog script").length === 0 && !/[\u001b\u202e]/.test(document.body.innerText)));
  await page.context().close();
}

async function elsewhere() {
  prefixed = await proxy(gateway.admin, "/ops/mcp");
  const page = await open({ viewport: { width: 360, height: 740 }, locale: "ja-JP", colorScheme: "dark" });
  for (const path of ["", "server?name=files", "calls", "trace", "explore", "alerts", "vulnerabilities"]) {
    await page.goto(`http://${prefixed.address}/ops/mcp/${path}`);
    await page.locator(".section").first().waitFor();
    await page.locator(".stream .status.good").waitFor();
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    check(`360 px: /${path}`, over <= 0, over);
    await axe(page, `phone, Japanese: /${path}`);
  }
  check("it speaks Japanese", (await page.locator("nav").first().textContent()).includes("概要") && (await page.evaluate(() => document.documentElement.lang)) === "ja");
  await page.locator("nav a", { hasText: "サーバー" }).first().click();
  await page.locator("h1").first().waitFor();
  check("links stay below the prefix", new URL(page.url()).pathname === "/ops/mcp/server", page.url());
  await page.context().close();
  prefixed.server.closeAllConnections();
  prefixed.server.close();
}

async function restarted() {
  const page = await open();
  await page.goto(at(""));
  await page.locator(".stream .status.good").waitFor();
  page.expects = ["ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE_CHUNKED", "ERR_CONNECTION_RESET", "401", "403"];
  await gateway.stop();
  await page.locator(".stream .status.bad").waitFor();
  const made = execFileSync(BINARY, ["keys", "create", "eye", "--role", "viewer", "--data-dir", gateway.data], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const key = /ph_[A-Za-z0-9_-]+/.exec(made)?.[0] ?? made.trim().split(/\s+/).pop();
  await gateway.start(config("admin: {auth: keys}\n"));
  await page.locator(".sign-in input[type=password]").waitFor();
  check("a listener that has come to ask for keys is noticed", true);
  await axe(page, "sign in");
  await page.locator(".sign-in input[type=password]").fill("wrong");
  await page.locator(".sign-in button").click();
  await page.locator("#key-wrong", { hasText: "not good" }).waitFor();
  await page.locator(".sign-in input[type=password]").fill(key);
  await page.locator(".sign-in button").click();
  await page.locator(".stream .status.good").waitFor();
  check("it comes back after a restart", true);
  await page.goto(at("server?name=files"));
  await page.locator(".actions-bar", { hasText: "needs the role operator" }).waitFor();
  check("a viewer is offered no action", await page.getByRole("button", { name: "Restart" }).isDisabled());
  const refused = await gateway.api("/api/pilothouse/servers/files", { method: "POST", headers: { authorization: `Bearer ${key}`, "content-type": "application/json" }, body: '{"action":"restart"}' });
  check("and is refused by the API", refused.status === 403, refused.status);
  check("without a key there is nothing", (await gateway.api("/api/pilothouse/servers")).status === 401);
  await page.context().close();
}

/** Pictures of every page, for people to look at: SHOTS names the folder. */
async function shots() {
  const into = process.env.SHOTS;
  if (into === undefined) return;
  mkdirSync(into, { recursive: true });
  const slow = await until("a trace", async () => {
    const found = await gateway.api(`/api/pilothouse/traces/slowest?limit=1&query=${encodeURIComponent("tool=searchFiles")}`);
    return JSON.parse(found.text).traces[0]?.trace_id;
  });
  const pages = {
    overview: "?range=15m",
    server: "server?name=files&range=15m",
    calls: "calls?query=kind%3Dcall&range=15m",
    trace: `trace?id=${slow}`,
    explore: `explore?range=15m&query=${encodeURIComponent("sum by (tool) (rate(mcp_tool_calls_total[1m]))")}`,
    alerts: "alerts?range=15m",
    vulnerabilities: "vulnerabilities",
  };
  for (const [look, colorScheme, width, height] of [
    ["light", "light", 1440, 900],
    ["dark", "dark", 1440, 900],
    ["phone", "light", 360, 740],
  ]) {
    const page = await open({ colorScheme, viewport: { width, height } });
    for (const [name, path] of Object.entries(pages)) {
      await page.goto(at(path));
      await page.locator(".section").first().waitFor();
      await page.waitForFunction(() => document.querySelector("main .loading") === null);
      await page.screenshot({ path: join(into, `${name}-${look}.png`) });
    }
    await page.context().close();
  }
  check("pictures", true);
}

let stopTraffic = false;
async function traffic() {
  const old = await session(gateway.listen, "hostile", CLIENT);
  await old.request("tools/list", {});
  for (let n = 0; !stopTraffic; n += 1) {
    await call(gateway.listen, "files", "searchFiles", { pattern: "**/*", maxResults: 50 }, CLIENT);
    await call(gateway.listen, "files", "readFile", { path: "report-1.txt" }, CLIENT);
    if (n % 5 === 0) {
      await old.request("tools/call", { name: n % 2 === 0 ? "plain" : "<b>bold</b>", arguments: {} });
      await call(gateway.listen, "away", "echo", { text: "x" }, CLIENT);
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}

const all = { files, overview, server, calls, explore, alerts, vulnerabilities, hostile, elsewhere, shots, restarted };
// Names choose some of them.
const chosen = process.argv.slice(2);
const parts = Object.fromEntries(Object.entries(all).filter(([name]) => chosen.length === 0 || chosen.includes(name)));
const begun = Date.now();
try {
  execFileSync(BINARY, ["vuln", "db", "import", join(HERE, "../../tests/e2e/pollution/osv"), "--db", join(gateway.data, "advisories")], { stdio: "ignore" });
  await gateway.start(config(""));
  if (process.env.CONSOLE_DIST !== undefined) fresh = await proxy(gateway.admin, "", process.env.CONSOLE_DIST);
  const going = traffic().catch((error) => check("traffic", false, String(error)));
  for (const [name, part] of Object.entries(parts)) {
    if (name === "restarted") {
      stopTraffic = true;
      await going;
    }
    const since = Date.now();
    try {
      await part();
    } catch (error) {
      check(name, false, String(error.stack).slice(0, 1500));
    }
    console.log(`${name.padEnd(10)} ${((Date.now() - since) / 1000).toFixed(1)} s`);
  }
  stopTraffic = true;
  await going;
  check("no violation of the policy, no error, no request to another host", troubles.length === 0, [...new Set(troubles)].slice(0, 8).join("; "));
} catch (error) {
  check("the suite", false, String(error.stack));
} finally {
  await browser.close();
  fresh?.server.close();
  await gateway.stop();
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${((Date.now() - begun) / 1000).toFixed(1)} s`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
