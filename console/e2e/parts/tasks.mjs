// What an operator wants to know or do, from the overview on: the answer is seen, in so many clicks. The page's own listener
// counts what the mouse does, and keys that are typed; both are printed.
import { LIMIT_MS, until } from "../gateway.mjs";
import { call } from "../traffic.mjs";

const FLOOD = 24;
const CULPRIT = "batch-importer";
const CULPRIT_CALLS = 300;

export async function tasks(context) {
  const page = await context.open();
  await page.context().addInitScript(() => {
    window.hands = { clicks: 0, keys: 0 };
    // A press of a mouse button, not what a script or a key makes of it.
    window.addEventListener("pointerdown", (event) => event.isTrusted && event.pointerType === "mouse" && (window.hands.clicks += 1), true);
    window.addEventListener("keydown", (event) => event.isTrusted && (window.hands.keys += 1), true);
  });
  const task = async (name, most, walk) => {
    await page.goto(context.at(""));
    await page.locator(".tile", { hasText: "files" }).waitFor();
    const answer = await walk(page, context);
    const { clicks, keys } = await page.evaluate(() => window.hands);
    console.log(`  ${name}: ${clicks} clicks${keys > 0 ? ` and ${keys} keys` : ""} of ${most}: ${answer}`);
    context.check(`${name} in ${most} clicks`, clicks <= most && clicks > 0, clicks);
  };
  await task("the slowest searchFiles call of the last hour and its bottleneck", 4, slowest);
  await task("silence this alert for 1 h", 3, silence);
  await task("which client caused the errors", 3, culprit);
  await task("what changed before latency rose", 2, cause);
  await task("scale this server to 5", 3, scale);
  await page.context().close();
}

const json = async (gateway, path) => JSON.parse((await gateway.api(path)).text);

async function slowest(page, { gateway, check }) {
  const known = async () => (await json(gateway, `/api/pilothouse/traces/slowest?since=1h&limit=1&query=${encodeURIComponent("server=files tool=searchFiles")}`)).traces[0]?.trace_id;
  // Many at once, on a disk that is slow.
  await Promise.all(Array.from({ length: FLOOD }, () => call(gateway.listen, "files", "searchFiles", { pattern: "**/*", maxResults: 1000 }, "flood")));
  const before = await until("the flood among the slowest", async () => {
    const id = await known();
    return id !== undefined && JSON.stringify((await json(gateway, `/api/pilothouse/traces/${id}`)).records).includes('"flood') ? id : undefined;
  });
  check("the overview shows an hour", (await page.locator(".range select").inputValue()) === "1h");
  await page.locator(".tile", { hasText: "files" }).click();
  await page.locator("tbody a", { hasText: "searchFiles" }).first().click();
  await page.locator(".record").first().click();
  await page.locator("dialog a", { hasText: "Trace" }).click();
  // The server's own spans come some seconds after its answer, and then they are shown.
  const said = page.locator(".trace .status", { hasText: /Bottleneck: fs\./ });
  await said.waitFor();
  const shown = new URL(page.url()).searchParams.get("id");
  check("it is the slowest call", [before, await known()].includes(shown), shown);
  const rows = (await json(gateway, `/api/pilothouse/traces/${shown}`)).trace.rows;
  const worst = rows.find((row) => row.longest_self);
  const text = await said.textContent();
  check("its bottleneck is told", worst?.name.startsWith("fs.") && text.includes(worst.name), text);
  return text.trim();
}

async function silence(page, { gateway, check }) {
  const row = page.locator(".alert", { hasText: "ServerDown" }).first();
  await row.waitFor({ timeout: 2 * LIMIT_MS });
  await row.getByRole("button", { name: "Silence" }).click();
  // Who types waits for the cursor.
  await page.locator("dialog input:focus").waitFor();
  await page.keyboard.type("known");
  await page.locator("dialog button[type=submit]").click();
  await row.locator("text=silenced").waitFor();
  const [made] = (await json(gateway, "/api/v2/silences")).filter((one) => one.status.state === "active");
  const hours = (Date.parse(made.endsAt) - Date.parse(made.startsAt)) / 3_600_000;
  check("it is silent for an hour", Math.abs(hours - 1) < 0.01 && made.matchers.some((one) => one.value === "ServerDown"), made);
  await gateway.api(`/api/v2/silence/${made.id}`, { method: "DELETE" });
  await row.getByRole("button", { name: "Silence" }).waitFor();
  return "ServerDown is silenced";
}

async function culprit(page, { gateway, check }) {
  for (let n = 0; n < CULPRIT_CALLS; n += 1) await call(gateway.listen, "away", "echo", { text: "x" }, CULPRIT);
  await until("records of them", async () => (await json(gateway, `/api/pilothouse/logs/top?field=client&since=1h&query=${encodeURIComponent(`client="${CULPRIT}*" status>=500`)}`)).total >= CULPRIT_CALLS);
  await page.getByRole("link", { name: "whose calls" }).click();
  const first = page.locator(".most div", { hasText: "Client" }).locator("li").first();
  await first.waitFor();
  const text = await first.textContent();
  check("the client that failed most stands first", text.includes(CULPRIT), text);
  return text;
}

async function cause(page, { gateway, check, config, at }) {
  await gateway.reload(config("", "60ms"));
  const loaded = await until("a configuration that is loaded", async () => {
    const found = await json(gateway, "/api/pilothouse/logs?since=5m&limit=10&query=event%3Dplan_loaded");
    return found.records.find((record) => record.changes?.includes("files"));
  });
  const risen = Date.parse(loaded.timestamp) / 1000;
  const p95 = `histogram_quantile(0.95, sum by (le) (rate(mcp_response_duration_seconds_bucket{server="files"}[30s])))`;
  await until("a latency that has risen", async () => {
    const found = await json(gateway, `/api/v1/query?query=${encodeURIComponent(p95)}`);
    return Number(found.data.result[0]?.value[1]) > 0.5;
  });
  // It is looked at a quarter of an hour; where it rises, it is drawn out.
  await page.goto(at("?range=15m"));
  const chart = page.locator(".section", { hasText: "Latency, 95th percentile" }).locator(".u-over");
  await chart.waitFor();
  await page.locator(".changes li", { hasText: "configuration loaded" }).first().waitFor();
  await chart.scrollIntoViewIfNeeded();
  const box = await chart.boundingBox();
  const now = Date.now() / 1000;
  const x = (time) => box.x + box.width * Math.max(0.01, Math.min(0.999, 1 - (now - time) / 900));
  await page.mouse.move(x(risen - 60), box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(x(now), box.y + box.height / 2, { steps: 5 });
  await page.mouse.up();
  await page.waitForFunction(() => new URLSearchParams(location.search).has("from"));
  const row = page.locator(".changes li", { hasText: "configuration loaded" }).first();
  await row.waitFor();
  const text = (await row.textContent()).trim();
  check("what changed is told: what runs for the server", text.includes("server `files`: what runs"), text);
  const newest = (await page.locator(".changes li").first().textContent()).trim();
  check("it is the newest of what changed before the rise", newest === text, newest);
  await gateway.reload(config(""));
  return text;
}

async function scale(page, { gateway, check }) {
  await page.locator(".tile", { hasText: "files" }).click();
  await page.locator(".actions-bar").getByRole("button", { name: "Scale" }).click();
  await page.keyboard.type("5");
  await page.locator("dialog button[type=submit]").click();
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.locator("tr", { hasText: "ready" }).nth(4).waitFor();
  const now = await json(gateway, "/api/pilothouse/servers/files");
  check("five are wanted and ready", now.wanted === 5 && now.replicas.filter((one) => one.state === "ready").length === 5, now.wanted);
  await gateway.api("/api/pilothouse/servers/files", { method: "POST", headers: { "content-type": "application/json" }, body: '{"action":"scale","replicas":null}' });
  return "five are ready";
}
