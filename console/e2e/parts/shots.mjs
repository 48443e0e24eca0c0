// Pictures of every page, for people to look at: SHOTS names the folder.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { until } from "../gateway.mjs";

export async function shots({ gateway, open, check, at }) {
  const into = process.env.SHOTS;
  if (into === undefined) return;
  mkdirSync(into, { recursive: true });
  const slow = await until("a trace", async () => {
    const found = await gateway.api(`/api/pilothouse/traces/slowest?limit=1&query=${encodeURIComponent("tool=searchFiles")}`);
    return JSON.parse(found.text).traces[0]?.trace_id;
  });
  const pages = {
    overview: "?range=15m",
    server: "server?name=files&range=15m",
    calls: "calls?query=kind%3Dcall&range=15m",
    trace: `trace?id=${slow}`,
    explore: `explore?range=15m&query=${encodeURIComponent("sum by (tool) (rate(mcp_tool_calls_total[1m]))")}`,
    alerts: "alerts?range=15m",
    vulnerabilities: "vulnerabilities",
    settings: "settings?range=15m",
  };
  for (const [look, colorScheme, width, height] of [
    ["light", "light", 1440, 900],
    ["dark", "dark", 1440, 900],
    ["phone", "light", 360, 740],
  ]) {
    const page = await open({ colorScheme, viewport: { width, height } });
    for (const [name, path] of Object.entries(pages)) {
      await page.goto(at(path));
      await page.locator(".section").first().waitFor();
      await page.waitForFunction(() => document.querySelector("main .loading") === null);
      await page.screenshot({ path: join(into, `${name}-${look}.png`) });
    }
    await page.context().close();
  }
  check("pictures", true);
}
