// Any expression, drawn.

export async function explore({ open, axe, check, at }) {
  const page = await open();
  await page.goto(at("graph?g0.expr=mcp_server_up"));
  await page.locator("td", { hasText: "mcp_server_up" }).first().waitFor();
  check("a link of an alert leads to its expression", page.url().endsWith("explore?query=mcp_server_up"), page.url());
  check("it is drawn", (await page.locator(".chart canvas").count()) === 1);
  await axe(page, "explore");
  await page.locator("#promql").fill("mcp_server_resi");
  await page.locator(".offers button", { hasText: "mcp_server_resident_memory_bytes" }).click();
  await page.keyboard.press("Enter");
  await page.locator("td", { hasText: "mcp_server_resident_memory_bytes" }).first().waitFor();
  check("names of metrics are completed", true);
  page.expects = ["400"];
  await page.locator("#promql").fill("sum(");
  await page.keyboard.press("Enter");
  await page.locator("#promql-wrong").filter({ hasText: /./ }).waitFor();
  check("a mistake is told beside the field", true);
  await page.context().close();
}
