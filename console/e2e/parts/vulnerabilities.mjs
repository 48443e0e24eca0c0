// The board of vulnerabilities, and the step of a case.

export async function vulnerabilities({ open, axe, check, at }) {
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
