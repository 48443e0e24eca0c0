// The page of a server.
import { until } from "../gateway.mjs";

export async function server({ gateway, open, axe, check, at }) {
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
