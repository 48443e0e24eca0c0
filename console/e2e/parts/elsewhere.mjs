// Below a prefix, on a phone, in Japanese.

export async function elsewhere({ open, axe, check, behind }) {
  const prefixed = await behind("/ops/mcp");
  const page = await open({ viewport: { width: 360, height: 740 }, locale: "ja-JP", colorScheme: "dark" });
  for (const path of ["", "server?name=files", "calls", "trace", "explore", "alerts", "vulnerabilities", "cost", "settings"]) {
    await page.goto(`http://${prefixed.address}/ops/mcp/${path}`);
    await page.locator(".section").first().waitFor();
    await page.locator(".stream .status.good").waitFor();
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    check(`360 px: /${path}`, over <= 0, over);
    await axe(page, `phone, Japanese: /${path}`);
  }
  check("it speaks Japanese", (await page.locator("nav").first().textContent()).includes("概要") && (await page.evaluate(() => document.documentElement.lang)) === "ja");
  await page.locator("nav a", { hasText: "サーバー" }).first().click();
  await page.locator("h1").first().waitFor();
  check("links stay below the prefix", new URL(page.url()).pathname === "/ops/mcp/server", page.url());
  await page.context().close();
  prefixed.server.closeAllConnections();
  prefixed.server.close();
}
