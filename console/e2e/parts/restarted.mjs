// A restart that brings keys: the page comes back by itself and asks for one.
import { execFileSync } from "node:child_process";
import { BINARY } from "../gateway.mjs";

export async function restarted({ gateway, open, axe, check, at, quiet, config }) {
  await quiet();
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
  await page.goto(at("settings"));
  await page.locator(".section", { hasText: "is shown to the role operator" }).waitFor();
  const audit = await gateway.api("/api/pilothouse/audit", { headers: { authorization: `Bearer ${key}` } });
  check("a viewer is not told who changed what", audit.status === 403 && (await page.locator(".audit").count()) === 0, audit.status);
  check("without a key there is nothing", (await gateway.api("/api/pilothouse/servers")).status === 401);
  await page.context().close();
}
