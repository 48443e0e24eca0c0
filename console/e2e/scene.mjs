// A small company's gateway on a bad afternoon, for pictures: a quarter of an hour of last week and of today, then a flood.
// All of it is real traffic; what is past was recorded by a Pilothouse whose clock was put back and ran faster (libfaketime).
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BINARY, Gateway, LIMIT_MS, until } from "./gateway.mjs";
import { FAKETIME } from "./faketime.mjs";
import { call, session } from "./traffic.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const SPEED = 30;
const FLOOD_MS_MAX = 600_000;
/** Real seconds for which the past is recorded, each time. */
const PAST_S = 30;
/** Between that and the present, for what is left to do when it ends. */
const GAP_S = 60;
const WEEK_S = 7 * 86_400;

/** Packages that `notes` says it has, and what is known of them, in words of our own. */
const RECORDS = [
  ["GHSA-xvch-5gv4-984h", "CVE-2021-44906", "minimist", "0.0.8", "0.2.4", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "arguments can reach the prototype of all objects"],
  ["GHSA-c2qf-rxjj-qqgw", "CVE-2022-25883", "semver", "5.7.1", "5.7.2", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L", "ranges that take very long to read"],
  ["GHSA-3h5v-q93c-6h6q", "CVE-2024-37890", "ws", "7.4.0", "7.5.10", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "a request with many headers ends the server"],
];

const RULES = `
groups:
  - name: latency
    rules:
      - alert: SlowResponseTime
        expr: histogram_quantile(0.95, sum by (server, tool, le) (rate(mcp_response_duration_seconds_bucket{method="tools/call"}[15s]))) > 1
        for: 3s
        labels: {severity: warning}
        annotations:
          summary: "{{ $labels.tool }} of {{ $labels.server }}: 95 of 100 calls take {{ $value | printf \\"%.1f\\" }} s, more than 1 s"
`;

export class Scene {
  constructor(folder) {
    this.folder = join(folder, "scene");
    mkdirSync(this.folder, { recursive: true });
    this.gateway = new Gateway(this.folder);
  }

  /** Builds it, lives through it, and leaves it as it is at its worst. */
  async play(advisories) {
    this.furnish();
    await this.past(WEEK_S + PAST_S * SPEED - 180, PAST_S, 1);
    execFileSync(BINARY, ["vuln", "db", "import", advisories, join(this.folder, "osv"), "--db", join(this.gateway.data, "advisories")], { stdio: "ignore" });
    // It must not come up with the present: what would be younger than what comes then, could not be kept.
    const before = PAST_S * SPEED + 60;
    await this.past(before, (before - GAP_S) / (SPEED - 1), 1.4);
    await this.gateway.start(this.config("url: http://127.0.0.1:9/mcp"));
    await this.work(6000, 1);
    this.flooding = this.flood();
    // Some cases have been looked at, and somebody has made a silence.
    const post = async (path, body) => this.gateway.api(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    await post("/api/pilothouse/vulnerabilities", { server: null });
    const cases = await until("a vulnerability", async () => {
      const found = JSON.parse((await this.gateway.api("/api/pilothouse/vulnerabilities")).text).vulnerabilities;
      return found.length > RECORDS.length ? found : undefined;
    });
    const named = (name) => `/api/pilothouse/vulnerabilities/${cases.find((one) => one.package.endsWith(name)).id}`;
    await post(named("lodash"), { move: "assess", reason: "our notes are merged with it" });
    await post(named("ws"), { move: "assess", reason: "it listens to nobody but us" });
    await post(named("ws"), { move: "patch", reason: "the next version of the notes has 8.18" });
    await post("/api/v2/silences", {
      matchers: [
        { name: "alertname", value: "VulnerabilityScanIncomplete", isRegex: false, isEqual: true },
        { name: "server", value: "shop", isRegex: false, isEqual: true },
      ],
      startsAt: new Date().toISOString(),
      endsAt: new Date(Date.now() + 3_600_000).toISOString(),
      createdBy: "maria",
      comment: "its lockfile comes with the next release",
    });
    await until("the alerts", async () => {
      const found = JSON.parse((await this.gateway.api("/api/v1/alerts")).text).data.alerts;
      const fires = (name) => found.some((one) => one.labels.alertname === name && one.state === "firing");
      return fires("SlowResponseTime") && fires("ServerDown");
    }, 4 * LIMIT_MS);
  }

  /** Records so many seconds, from so many seconds ago on. */
  async past(before, seconds, weight) {
    const end = Date.now() + seconds * 1000;
    const environment = FAKETIME === undefined ? {} : { LD_PRELOAD: FAKETIME, FAKETIME: `-${before} x${SPEED}`, FAKETIME_DONT_FAKE_MONOTONIC: "1" };
    await this.gateway.start(this.config(`command: ${BINARY}\n    args: [workbench]`), environment);
    await this.work(end - Date.now(), weight);
    await this.gateway.stop();
  }

  async end() {
    this.isOver = true;
    await this.flooding?.catch(() => undefined);
    await this.gateway.stop();
  }

  config(calendar) {
    return `
store: {sample_interval: 500ms}
rules: {interval: 1s, files: [${join(this.folder, "rules.yml")}]}
log: {params: true}
pins: {mode: alert}
servers:
  files:
    command: ${BINARY}
    args: [workbench, --root, ${join(this.folder, "tree")}, --stat-delay, 6ms]
    otel: true
    health: {interval: 1s}
    replicas: {min: 2, max: 5, target_in_flight: 16}
    resources: {memory_max: 512MiB, open_files_max: 1024}
  shop:
    command: ${BINARY}
    args: [workbench, --root, ${join(this.folder, "tree")}]
    otel: true
    health: {interval: 1s}
  notes:
    command: ${process.execPath}
    args: [${join(this.folder, "notes/server.mjs")}, "acme-notes@1.0.0"]
    health: {interval: 1s}
  calendar:
    ${calendar}
    health: {interval: 1s}
`;
  }

  furnish() {
    for (let area = 0; area < 6; area += 1) {
      const place = join(this.folder, `tree/area-${area}`);
      mkdirSync(place, { recursive: true });
      for (let n = 0; n < 10; n += 1) writeFileSync(join(place, `report-${n}.txt`), `report ${n} of area ${area}\n`);
    }
    // What `notes` says of itself to be made of; it uses none of it.
    const lodash = join(this.folder, "notes/node_modules/lodash");
    mkdirSync(lodash, { recursive: true });
    writeFileSync(join(lodash, "package.json"), JSON.stringify({ name: "lodash", version: "4.17.4", main: "index.js" }));
    writeFileSync(join(lodash, "index.js"), "exports.merge = Object.assign;\n");
    writeFileSync(join(this.folder, "notes/package.json"), JSON.stringify({ name: "acme-notes", version: "1.0.0", type: "module", dependencies: { lodash: "4.17.4", ...Object.fromEntries(RECORDS.map(([, , name, version]) => [name, version])) } }));
    copyFileSync(join(HERE, "notes.mjs"), join(this.folder, "notes/server.mjs"));
    writeFileSync(join(this.folder, "rules.yml"), RULES);
    for (const [id, cve, name, version, fixed, score, summary] of RECORDS) {
      const place = join(this.folder, "notes/node_modules", name);
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, "package.json"), JSON.stringify({ name, version }));
      mkdirSync(join(this.folder, "osv"), { recursive: true });
      const affected = [{ package: { ecosystem: "npm", name }, ranges: [{ type: "SEMVER", events: [{ introduced: "0" }, { fixed }] }] }];
      const record = { schema_version: "1.7.5", id, aliases: [cve], modified: "2026-11-23T00:00:00Z", summary, severity: [{ type: "CVSS_V3", score }], affected };
      writeFileSync(join(this.folder, `osv/${id}.json`), JSON.stringify(record));
    }
  }

  /** What people do all day. */
  async work(ms, weight) {
    const end = Date.now() + ms;
    const isGoing = () => Date.now() < end && this.isOver !== true;
    const one = async (client, every, ...does) => {
      for (let n = 0; isGoing(); n += 1) {
        const [server, tool, args] = does[n % does.length];
        await call(this.gateway.listen, server, tool, args, client);
        // A day has its ups and downs.
        await new Promise((done) => setTimeout(done, (every * (1.2 + Math.sin(Date.now() / 5000))) / weight));
      }
    };
    const notes = async () => {
      const mine = await session(this.gateway.listen, "notes", "claude-desktop");
      await mine.request("tools/list", {});
      while (isGoing()) {
        await mine.request("tools/call", { name: "note", arguments: {} });
        await new Promise((done) => setTimeout(done, 400));
      }
    };
    const search = (pattern) => ["files", "searchFiles", { pattern, maxResults: 20 }];
    const read = ["files", "readFile", { path: "area-1/report-1.txt" }];
    const sql = ["shop", "query", { sql: "select count(*) from products" }];
    await Promise.all([
      notes(),
      one("claude-desktop", 120, search("area-1/*.txt"), read, read, sql),
      one("ide-agent", 90, read, search("area-2/*.txt"), read),
      one("report-bot", 160, sql, sql, ["shop", "echo", { text: "done" }]),
      one("planner", 2500, ["calendar", "echo", { text: "tomorrow" }]),
    ]);
  }

  /** Somebody asks for everything, again and again. */
  async flood() {
    const one = async () => {
      while (!this.isOver) await call(this.gateway.listen, "files", "searchFiles", { pattern: "**/*", maxResults: 10_000 }, "batch-importer");
    };
    await Promise.all([this.work(FLOOD_MS_MAX, 1), ...Array.from({ length: 10 }, one)]);
  }
}
