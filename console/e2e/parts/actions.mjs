// Every action in the browser, with its effect seen by the API, and its line in the audit log.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../gateway.mjs";
import { call, session } from "../traffic.mjs";

export async function actions(context) {
  const page = await context.open();
  await scale(page, context);
  await drain(page, context);
  await restart(page, context);
  await replace(page, context);
  await approve(page, context);
  await silence(page, context);
  await move(page, context);
  await page.context().close();
  const audit = readFileSync(join(context.gateway.data, "logs/audit.log"), "utf8");
  for (const action of ["server.change", "tools.approve", "silence.set", "silence.expire", "vulnerability.move"]) {
    context.check(`${action} is in the audit log`, audit.includes(`"${action}"`));
  }
}

const server = async (gateway, name) => JSON.parse((await gateway.api(`/api/pilothouse/servers/${name}`)).text);
const button = (page, name) => page.locator(".actions-bar").getByRole("button", { name, exact: true });
const submit = (page) => page.locator("dialog button[type=submit]").click();
const closed = (page) => page.locator("dialog").waitFor({ state: "detached" });

async function scale(page, { gateway, check, at }) {
  await page.goto(at("server?name=files"));
  await button(page, "Scale").click();
  for (const wrong of ["99", "many", "-1", "1.5"]) {
    await page.locator("dialog input").fill(wrong);
    await submit(page);
    check(`${wrong} replicas are refused beside the field`, (await page.locator("#replicas-wrong").textContent()).includes("0 to 64"));
  }
  await page.locator("dialog input").fill("3");
  await submit(page);
  await closed(page);
  await until("three replicas", async () => (await server(gateway, "files")).replicas.filter((one) => one.state === "ready").length === 3);
  check("scale: the API has three that are ready", true);
  await button(page, "Scale").click();
  await page.locator("dialog input").fill("");
  await submit(page);
  await closed(page);
  await until("the rules' say", async () => (await server(gateway, "files")).fixed === false);
  check("scale: nothing gives the rules their say again", true);
}

async function drain(page, { gateway, check }) {
  await button(page, "Drain").click();
  await submit(page);
  await closed(page);
  await until("a drained server", async () => (await server(gateway, "files")).drained);
  const refused = await call(gateway.listen, "files", "echo", { text: "x" });
  check("drain: a call gets 503", refused.status === 503, refused);
  await button(page, "Resume").click();
  await submit(page);
  await closed(page);
  await until("a server that takes calls", async () => (await call(gateway.listen, "files", "echo", { text: "x" })).status === 200);
  check("resume: a call is answered", (await server(gateway, "files")).drained === false);
}

async function restart(page, { gateway, check }) {
  const pids = async () => (await server(gateway, "files")).replicas.map((one) => one.pid);
  const before = await pids();
  await button(page, "Restart").click();
  await submit(page);
  await closed(page);
  await until("other processes", async () => (await pids()).every((pid) => pid !== undefined && !before.includes(pid)));
  check("restart: other processes", true);
}

async function replace(page, { gateway, axe, check, at }) {
  const version = async () => {
    const mine = await session(gateway.listen, "notes", "versions");
    return JSON.parse(/\{.*\}/s.exec(await mine.request("tools/call", { name: "note", arguments: {} }))[0]).result.content[0].text;
  };
  await page.goto(at("server?name=notes"));
  check("replace: it began with the old version", (await version()) === "1.0.0");
  await button(page, "Replace").click();
  const field = (name) => page.locator(`dialog input[name=${name}]`);
  check("replace: the package stands there", (await field("to").inputValue()) === "acme-notes@1.0.0");
  await field("to").fill("");
  await submit(page);
  check("replace: no version is refused beside the field", (await page.locator("#to-wrong").textContent()).includes("NAME@VERSION"));
  await field("to").fill("acme-notes@2.0.0");
  for (const wrong of ["50", "100, 50", "0, 100", "x"]) {
    await field("steps").fill(wrong);
    await submit(page);
    check(`replace: steps ${wrong} are refused beside the field`, (await page.locator("#steps-wrong").textContent()).includes("1 to 100"));
  }
  await field("steps").fill("50, 100");
  await field("every").fill("soon");
  await submit(page);
  check("replace: a time that is none is refused beside the field", (await page.locator("#every-wrong").textContent()).includes("10m"));
  await axe(page, "replace");
  await field("every").fill("");
  page.expects = ["409", "403"];
  await field("to").fill("other-package@2.0.0");
  await submit(page);
  await page.locator("dialog .wrong", { hasText: "has no argument `other-package`" }).waitFor();
  check("replace: what the API refuses is told in the dialog", true);
  await field("to").fill("node /tmp/anything.mjs");
  await submit(page);
  await page.locator("dialog .wrong", { hasText: "admin.auth" }).waitFor();
  check("replace: a command needs keys, and the dialog says so", true);
  page.expects = [];
  await field("to").fill("acme-notes@2.0.0");
  await submit(page);
  await closed(page);
  await page.locator(".replacement", { hasText: "step 1 of 2" }).waitFor();
  check("replace: the API is at the first step", (await server(gateway, "notes")).replacement.weight === 50);
  await axe(page, "a replacement");
  const seen = new Set();
  await until("both versions at the half", async () => {
    seen.add(await version());
    return seen.size === 2;
  });
  check("replace: both versions get sessions", true);
  await page.locator(".replacement").getByRole("button", { name: "Undo" }).click();
  await page.locator("dialog").getByRole("button", { name: "Undo" }).click();
  await closed(page);
  await until("no replacement", async () => (await server(gateway, "notes")).replacement == null);
  check("replace: undone, the old version has everything", (await version()) === "1.0.0" && (await version()) === "1.0.0");
  await page.locator(".replacement").waitFor({ state: "detached" });
  await button(page, "Replace").click();
  await field("to").fill("acme-notes@2.0.0");
  await field("steps").fill("10, 100");
  await field("every").fill("");
  await submit(page);
  await closed(page);
  await page.locator(".replacement").getByRole("button", { name: "Go on" }).click();
  await until("the last step", async () => {
    const now = await server(gateway, "notes");
    return now.replaced && now.command.includes("acme-notes@2.0.0");
  });
  check("replace: at the last step the new version has everything", (await version()) === "2.0.0");
}

async function approve(page, { gateway, axe, check, at }) {
  const mine = await session(gateway.listen, "notes", "lists");
  await mine.request("tools/list", {});
  const standing = async () => {
    const { servers } = JSON.parse((await gateway.api("/api/pilothouse/tools")).text);
    return servers.find((one) => one.server === "notes")?.tools.find((one) => one.tool === "note")?.standing;
  };
  await until("a changed definition", async () => (await standing()) === "changed");
  await page.goto(at("server?name=notes"));
  const row = page.locator("tr", { hasText: "note" }).filter({ has: page.getByRole("button", { name: "What differs" }) });
  await row.getByRole("button", { name: "What differs" }).click();
  await page.locator("dialog del", { hasText: "1" }).first().waitFor();
  await page.locator("dialog ins", { hasText: "2" }).first().waitFor();
  await axe(page, "what differs");
  await page.locator("dialog").getByRole("button", { name: "Approve" }).click();
  await closed(page);
  check("approve: the API has it as accepted", (await standing()) === "pinned", await standing());
}

async function silence(page, { gateway, check, at }) {
  await page.goto(at("alerts"));
  const row = page.locator(".alert", { hasText: "ServerDown" }).first();
  const all = async () => JSON.parse((await gateway.api("/api/v2/silences")).text).filter((one) => one.status.state === "active");
  await row.getByRole("button", { name: "Silence" }).click();
  await page.locator("dialog input").fill("known");
  await submit(page);
  await closed(page);
  const [made] = await until("a silence", async () => {
    const now = await all();
    return now.length === 1 ? now : undefined;
  });
  const hours = (Date.parse(made.endsAt) - Date.parse(made.startsAt)) / 3_600_000;
  check("silence: the API has it, for an hour", Math.abs(hours - 1) < 0.01 && made.matchers.some((one) => one.value === "ServerDown"), made);
  await page.locator(".silences li button").first().click();
  await until("no silence", async () => (await all()).length === 0);
  check("expire: the API has none", true);
  // Somebody else's are seen as they come and go, without a reload.
  const body = JSON.stringify({
    matchers: [{ name: "alertname", value: "ServerDown", isRegex: false, isEqual: true }],
    startsAt: new Date().toISOString(),
    endsAt: new Date(Date.now() + 3_600_000).toISOString(),
    createdBy: "somebody",
    comment: "elsewhere",
  });
  const other = JSON.parse((await gateway.api("/api/v2/silences", { method: "POST", headers: { "content-type": "application/json" }, body })).text);
  await page.locator(".silences li", { hasText: "elsewhere" }).waitFor();
  await row.locator("text=silenced").waitFor();
  await gateway.api(`/api/v2/silence/${other.silenceID}`, { method: "DELETE" });
  await page.locator(".silences li").waitFor({ state: "detached" });
  check("silences of others come and go without a reload", true);
}

async function move(page, { gateway, check, at }) {
  const list = async () => JSON.parse((await gateway.api("/api/pilothouse/vulnerabilities")).text).vulnerabilities;
  const cases = await until("two cases that nobody works on", async () => {
    const fresh = (await list()).filter((one) => ["detected", "assessed"].includes(one.state));
    return fresh.length >= 2 ? fresh : undefined;
  });
  const state = async (id) => (await list()).find((one) => one.id === id)?.state;
  const step = async (what, reason, expected, id, more = async () => {}) => {
    await page.locator("dialog .move select").first().selectOption(what);
    await more();
    await page.locator("dialog .move input").last().fill(reason);
    await page.locator("dialog .move button[type=submit]").click();
    await until(`${what} of a case`, async () => (await state(id)) === expected);
    check(`${what}: the API has it as ${expected}`, true);
    await page.locator("dialog .lines li", { hasText: reason }).waitFor();
  };
  const [first, second] = cases.map((one) => one.id);
  await page.goto(at(`vulnerabilities?case=${first}`));
  await page.locator("dialog .move").waitFor();
  await step("assess", "it is real", "assessed", first);
  await page.locator("dialog .move select").first().selectOption("accept");
  await page.locator("dialog .move input").last().fill("for now");
  for (const day of ["", "2001-01-01"]) {
    await page.locator("dialog .move input[type=date]").fill(day);
    await page.locator("dialog .move button[type=submit]").click();
    check(`accept until ${day || "nothing"} is refused beside the field`, (await page.locator("#until-wrong").textContent()).includes("A day to come"));
  }
  const day = new Date(Date.now() + 20 * 86_400_000).toISOString().slice(0, 10);
  await step("accept", "behind a proxy", "accepted", first, () => page.locator("dialog .move input[type=date]").fill(day));
  await step("reopen", "no longer", "assessed", first);
  await step("patch", "a fix is made", "patching", first);
  await step("test", "it is tried", "testing", first);
  await step("fail-test", "it does not work", "patching", first);
  await page.goto(at(`vulnerabilities?case=${second}`));
  await page.locator("dialog .move").waitFor();
  await step("dismiss", "not in the path", "false_positive", second, () => page.locator("dialog .move select").nth(1).selectOption("vulnerable_code_not_in_execute_path"));
  await step("reopen", "it is, after all", "detected", second);
}
