// The overview: what is wrong is said, what changes is seen, and keys lead everywhere.

export async function overview({ gateway, open, axe, check, at }) {
  const page = await open();
  await page.goto(at(""));
  await page.locator(".tile", { hasText: "files" }).locator("text=up").first().waitFor();
  await page.locator(".verdict", { hasText: "1 server does not answer" }).waitFor();
  check("four objectives", (await page.locator(".slo").count()) === 4);
  await page.locator(".tile", { hasText: "files" }).locator("dd").first().filter({ hasText: /[1-9]/ }).waitFor();
  check("charts are drawn", (await page.locator(".chart canvas").count()) >= 3);
  await axe(page, "overview, light");
  // What changes is seen without a word.
  await gateway.api("/api/pilothouse/servers/files", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ action: "drain" }) });
  await page.locator(".tile", { hasText: "files" }).locator("text=drained").waitFor();
  await page.locator(".changes li", { hasText: "server.change" }).first().waitFor();
  await gateway.api("/api/pilothouse/servers/files", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ action: "resume" }) });
  await page.locator(".tile", { hasText: "files" }).locator("text=up").first().waitFor();
  check("a change is seen live", true);
  // Keys.
  await page.keyboard.press("j");
  check("j goes to a row", await page.evaluate(() => document.activeElement?.closest(".rows") !== null));
  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await page.locator("#query").waitFor();
  await page.keyboard.press("/");
  check("/ goes to the search", await page.evaluate(() => document.activeElement?.id === "query"));
  await page.keyboard.press("Escape");
  await page.keyboard.press("g");
  await page.keyboard.press("o");
  await page.locator(".verdict").waitFor();
  await page.keyboard.press("?");
  await page.locator("dialog").waitFor();
  await axe(page, "help");
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.context().close();
}
