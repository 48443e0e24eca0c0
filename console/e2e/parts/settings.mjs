// Configuration in its three states, sinks, Pilothouse itself, the audit log.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const SECRET = "hunter2-hunter2-hunter2";

export async function settings({ gateway, folder, open, axe, check, at }) {
  const file = join(folder, "pilothouse.yaml");
  const before = readFileSync(file, "utf8");
  const page = await open();
  await page.goto(at("settings?range=15m"));
  await page.locator(".verdict.good", { hasText: "is what runs" }).waitFor();
  await page.locator(".facts dd", { hasText: /MiB/ }).first().waitFor();
  check("own memory and CPU are drawn", (await page.locator(".chart canvas").count()) === 2);
  check("without a sink it is said how to have one", (await page.locator("pre", { hasText: "elasticsearch:" }).count()) === 1);
  await axe(page, "settings");

  // A file that is refused is seen without a word, with its place, and what ran runs on.
  writeFileSync(file, `${before}\nstoer: {token: ${SECRET}}\n`);
  await page.locator(".verdict.bad", { hasText: "refused" }).waitFor();
  await page.locator(".problems", { hasText: "stoer" }).first().waitFor();
  check("a mistake is told at its place", /pilothouse\.yaml:\d+:\d+/.test(await page.locator(".problems").first().textContent()));
  await page.getByRole("button", { name: "Differences" }).click();
  await page.locator(".diff-lines ins", { hasText: "stoer" }).waitFor();
  check("a view has its address", page.url().includes("view=changes"), page.url());
  await page.locator(".audit li", { hasText: "configuration.reload" }).filter({ hasText: "refused" }).first().waitFor();
  await axe(page, "settings, refused");
  check("no secret is shown", !(await page.locator("body").textContent()).includes(SECRET));

  // Mended, it is taken up; what was refused stays to be looked at.
  writeFileSync(file, before.replace("rules: {interval: 1s}", "rules: {interval: 2s}"));
  await page.locator(".verdict.good").waitFor();
  await page.getByRole("button", { name: "With all defaults" }).click();
  await page.locator("pre.config", { hasText: "interval: 2s" }).or(page.locator("pre.config", { hasText: 'interval: "2s"' })).waitFor();
  await page.getByRole("button", { name: "Refused last" }).click();
  await page.locator("pre.config", { hasText: "stoer" }).waitFor();
  await page.reload();
  await page.locator("pre.config", { hasText: "stoer" }).waitFor();
  check("what was refused is there after it was mended", (await page.locator(".facts", { hasText: "taken up since" }).count()) === 1);

  // The audit log is found by text, and by what became of it.
  await page.locator("form.filter input").fill("CONFIGURATION.reload");
  await page.keyboard.press("Enter");
  await page.locator("form.filter select").selectOption("refused");
  await page.locator(".audit li").first().waitFor();
  check("only what fits is listed", (await page.locator(".audit li").count()) >= 1 && (await page.locator(".audit li", { hasText: "done" }).count()) === 0);
  check("a filter has its address", /audit=CONFIGURATION/.test(page.url()) && /step=refused/.test(page.url()), page.url());
  await page.locator(".audit summary").first().click();
  await page.locator(".audit .fields", { hasText: "unknown" }).first().waitFor();
  await axe(page, "an entry of the audit log");
  check("an unknown step is told with its field", JSON.parse((await gateway.api("/api/pilothouse/audit?step=x")).text).field === "step");
  await page.context().close();

  writeFileSync(file, before);
}
