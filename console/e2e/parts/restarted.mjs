// A restart that brings keys: the page comes back by itself and asks for one.
import { execFileSync } from "node:child_process";
import { BINARY } from "../gateway.mjs";

const SERVER = "/api/pilothouse/servers/files";
/** Everything that the console can change. */
const CHANGES = [
  ...["scale", "restart", "drain", "resume", "pause_replacement", "resume_replacement", "undo_replacement"].map((action) => ["POST", SERVER, JSON.stringify({ action })]),
  ["POST", SERVER, '{"action":"replace","to":{"package":"a@1"}}'],
  ["POST", "/api/pilothouse/tools", '{"server":"files","also":false,"tools":[]}'],
  ["POST", "/api/v2/silences", "{}"],
  ["DELETE", "/api/v2/silence/1", undefined],
  ["POST", "/api/pilothouse/vulnerabilities", '{"server":null}'],
  ["POST", "/api/pilothouse/vulnerabilities/1", '{"move":"assess","reason":"x"}'],
];

export async function restarted({ gateway, open, axe, check, at, quiet, config }) {
  await quiet();
  const page = await open();
  await page.goto(at(""));
  await page.locator(".stream .status.good").waitFor();
  page.expects = ["499", "503", "ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE_CHUNKED", "ERR_CONNECTION_RESET", "401", "403"];
  await gateway.stop();
  await page.locator(".stream .status.bad").waitFor();
  const key = keyOf(gateway, "eye", "viewer");
  const operator = keyOf(gateway, "hand", "operator");
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
  await page.goto(at("alerts"));
  check("nor a silence", await page.locator(".alert").getByRole("button", { name: "Silence" }).first().isDisabled());
  await page.goto(at("vulnerabilities"));
  check("nor a scan", await page.getByRole("button", { name: "Scan now" }).isDisabled());
  for (const [method, path, body] of CHANGES) {
    const refused = await gateway.api(path, { method, headers: { authorization: `Bearer ${key}`, "content-type": "application/json" }, body });
    check(`a viewer is refused by the API: ${path} ${body ?? ""}`, refused.status === 403, refused.status);
  }
  await page.goto(at("settings"));
  await page.locator(".section", { hasText: "is shown to the role operator" }).waitFor();
  const audit = await gateway.api("/api/pilothouse/audit", { headers: { authorization: `Bearer ${key}` } });
  check("a viewer is not told who changed what", audit.status === 403 && (await page.locator(".audit").count()) === 0, audit.status);
  check("without a key there is nothing", (await gateway.api("/api/pilothouse/servers")).status === 401);
  await page.context().close();
  await operates(operator, gateway, open, check, at);
}

/** An operator may scale, and may neither approve nor run what nobody has configured. */
async function operates(key, gateway, open, check, at) {
  const page = await open();
  page.expects = ["401", "403"];
  await page.goto(at("server?name=notes"));
  await page.locator(".sign-in input[type=password]").fill(key);
  await page.locator(".sign-in button").click();
  const replace = page.locator(".actions-bar").getByRole("button", { name: "Replace" });
  await replace.waitFor();
  check("an operator is offered actions", (await replace.isEnabled()) && (await page.getByRole("button", { name: "Drain" }).isEnabled()));
  await replace.click();
  await page.locator("dialog input[name=to]").fill("node /tmp/anything.mjs");
  await page.locator("dialog button[type=submit]").click();
  await page.locator("dialog .wrong", { hasText: "takes the role `admin`" }).waitFor();
  check("but no command of his own, and the dialog says why", true);
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const approved = await gateway.api("/api/pilothouse/tools", { method: "POST", headers, body: '{"server":"notes","also":false,"tools":[]}' });
  check("and no approval", approved.status === 403, approved.status);
  await page.context().close();
}

function keyOf(gateway, name, role) {
  const made = execFileSync(BINARY, ["keys", "create", name, "--role", role, "--data-dir", gateway.data], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return /ph_[A-Za-z0-9_-]+/.exec(made)?.[0] ?? made.trim().split(/\s+/).pop();
}
