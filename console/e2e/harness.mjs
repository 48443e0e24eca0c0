// What every part needs: a Pilothouse with traffic, a browser that tells of everything that must not happen, a count.
import { chromium } from "playwright-core";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Gateway, BINARY, LIMIT_MS } from "./gateway.mjs";
import { proxy } from "./proxy.mjs";
import { call, session } from "./traffic.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const ADVISORIES = join(HERE, "../../tests/e2e/pollution/osv");
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const CLIENT = "suite-client";

/** Counts what was asserted; says at once what does not hold. */
export class Checks {
  passed = 0;
  failed = 0;

  check = (name, fine, seen) => {
    if (fine) this.passed += 1;
    else {
      this.failed += 1;
      console.log(`FAILED ${name}${seen === undefined ? "" : `: ${typeof seen === "string" ? seen : JSON.stringify(seen)}`}`);
    }
  };
}

/**
 * Starts all of it. What a part is given: `gateway`, `config(more, delay)` (its configuration with more lines, and how long the disk takes), `at(path)` (an
 * address of the console), `open(options)` (a page), `axe(page, name)`, `check(name, fine, seen)`, `behind(prefix)` (the
 * console below a prefix), `behindOf(gateway)` (the address of another one's console), `quiet()` (ends the traffic) and `folder`.
 */
export async function start(checks) {
  // First: what fails here leaves nothing behind.
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  const folder = mkdtempSync(join(tmpdir(), "console-"));
  const servers = makeServers(folder);
  const config = (more, delay = "5ms") => `
store: {sample_interval: 500ms}
rules: {interval: 1s}
log: {params: true}
pins: {mode: alert}
servers:
  files:
    command: ${BINARY}
    args: [workbench, --root, ${servers.root}, --stat-delay, ${delay}]
    otel: true
    health: {interval: 1s}
    replicas: {min: 1, max: 4}
  hostile:
    command: ${process.execPath}
    args: [${servers.hostile}]
    health: {interval: 1s}
  notes:
    command: ${process.execPath}
    args: [${servers.notes}, "acme-notes@1.0.0"]
    health: {interval: 1s}
  away:
    url: http://127.0.0.1:9/mcp
    health: {interval: 1s}
${more}`;
  const gateway = new Gateway(folder);
  execFileSync(BINARY, ["vuln", "db", "import", ADVISORIES, "--db", join(gateway.data, "advisories")], { stdio: "ignore" });
  await gateway.start(config(""));
  // While the console is written, it may come from its folder instead of the binary: CONSOLE_DIST=console/dist.
  const dist = process.env.CONSOLE_DIST;
  const hosts = new Set([gateway.admin]);
  const proxies = [];
  const behind = async (prefix, of = gateway) => {
    const made = await proxy(of.admin, prefix, dist);
    proxies.push(made);
    hosts.add(made.address);
    return made;
  };
  const origin = dist === undefined ? gateway.admin : (await behind("")).address;
  const troubles = [];
  const { check } = checks;
  const traffic = keepCalling(gateway, check);
  return {
    folder,
    gateway,
    config,
    advisories: ADVISORIES,
    check,
    behind,
    at: (path) => `http://${origin}/${path}`,
    behindOf: async (of) => `http://${(await behind("", of)).address}/`,
    open: (options) => open(browser, options, hosts, troubles),
    axe: (page, name) => axe(page, name, check),
    quiet: traffic.end,
    /** Closes what a part that failed has left open: it would complain of what the next parts do. */
    leave: () => Promise.all(browser.contexts().map((one) => one.close())),
    async end() {
      await traffic.end();
      await browser.close();
      for (const one of proxies) one.server.close();
      await gateway.stop();
      rmSync(folder, { recursive: true, force: true });
      check("no violation of the policy, no error, no request to another host", troubles.length === 0, [...new Set(troubles)].slice(0, 8).join("; "));
    },
  };
}

/** Files for the workbench, and a server whose package has a known vulnerability. */
function makeServers(folder) {
  const root = join(folder, "files");
  mkdirSync(root);
  for (let n = 0; n < 12; n += 1) writeFileSync(join(root, `report-${n}.txt`), "x");
  // What the hostile server says of itself to be made of; nothing depends on what that package does.
  const lodash = join(folder, "srv/node_modules/lodash");
  mkdirSync(lodash, { recursive: true });
  writeFileSync(join(lodash, "package.json"), JSON.stringify({ name: "lodash", version: "4.17.4", main: "index.js" }));
  writeFileSync(join(lodash, "index.js"), "exports.merge = Object.assign;\n");
  writeFileSync(join(folder, "srv/package.json"), JSON.stringify({ name: "srv", type: "module", dependencies: { lodash: "4.17.4" } }));
  const hostile = join(folder, "srv/server.mjs");
  copyFileSync(join(HERE, "hostile.mjs"), hostile);
  copyFileSync(join(HERE, "texts.mjs"), join(folder, "srv/texts.mjs"));
  const notes = join(folder, "srv/notes.mjs");
  copyFileSync(join(HERE, "notes.mjs"), notes);
  return { root, hostile, notes };
}

/** A page that tells of everything that must not happen. */
async function open(browser, options, hosts, troubles) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-US", ...options });
  await context.addInitScript(() => {
    window.addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
  });
  const page = await context.newPage();
  page.setDefaultTimeout(LIMIT_MS);
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

async function axe(page, name, check) {
  await page.evaluate(AXE);
  const found = await page.evaluate((rules) => window.axe.run(document, { runOnly: rules }), AXE_RULES);
  const told = found.violations.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(" | ")}`);
  check(`axe: ${name}`, told.length === 0, told.join("; "));
}

/** Calls of all kinds until it is ended. */
function keepCalling(gateway, check) {
  let isEnded = false;
  const going = (async () => {
    const old = await session(gateway.listen, "hostile", CLIENT);
    await old.request("tools/list", {});
    await (await session(gateway.listen, "notes", CLIENT)).request("tools/list", {});
    for (let n = 0; !isEnded; n += 1) {
      await call(gateway.listen, "files", "searchFiles", { pattern: "**/*", maxResults: 50 }, CLIENT);
      await call(gateway.listen, "files", "readFile", { path: "report-1.txt" }, CLIENT);
      if (n % 5 === 0) {
        await old.request("tools/call", { name: n % 2 === 0 ? "plain" : "<b>bold</b>", arguments: {} });
        await call(gateway.listen, "away", "echo", { text: "x" }, CLIENT);
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  })().catch((error) => check("traffic", false, String(error)));
  return {
    end: () => {
      isEnded = true;
      return going;
    },
  };
}
