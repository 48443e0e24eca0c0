// Alerts, silences and objectives.

export async function alerts({ open, axe, check, at }) {
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
