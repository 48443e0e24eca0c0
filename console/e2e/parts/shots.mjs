// Pictures of every page, for people to look at: SHOTS names the folder. Those of the README have the names of docs/images.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { until } from "../gateway.mjs";
import { IMAGES, PICTURES, stamp, wrong } from "../pictures.mjs";
import { Scene } from "../scene.mjs";

const LOOKS = [
  ["light", { colorScheme: "light", viewport: { width: 1440, height: 900 } }],
  ["dark", { colorScheme: "dark", viewport: { width: 1440, height: 900 } }],
  ["phone", { colorScheme: "light", viewport: { width: 390, height: 844 } }],
  ["phone-dark", { colorScheme: "dark", viewport: { width: 390, height: 844 } }],
  ["wall", { colorScheme: "dark", viewport: { width: 2560, height: 1440 } }],
  ["japanese", { colorScheme: "light", viewport: { width: 1440, height: 900 }, locale: "ja-JP" }],
];
/** Of these, the whole length of the page, too. */
const WHOLE = new Set(["light", "phone"]);

export async function shots({ folder, open, check, behindOf, advisories }) {
  const into = process.env.SHOTS;
  if (into === undefined) return;
  mkdirSync(join(into, "whole"), { recursive: true });
  const scene = new Scene(folder);
  try {
    await scene.play(advisories);
    const at = await behindOf(scene.gateway);
    const slow = await until("a slow trace", async () => {
      const found = await scene.gateway.api(`/api/pilothouse/traces/slowest?since=5m&limit=1&query=${encodeURIComponent("tool=searchFiles")}`);
      const [first] = JSON.parse(found.text).traces;
      return first?.duration > 1000 ? first.trace_id : undefined;
    });
    const pages = {
      overview: "?range=15m",
      server: "server?name=files&range=15m",
      calls: `calls?range=15m&query=${encodeURIComponent("kind=call duration>=500ms")}`,
      trace: `trace?id=${slow}`,
      explore: `explore?range=15m&query=${encodeURIComponent("histogram_quantile(0.95, sum by (tool, le) (rate(mcp_response_duration_seconds_bucket[1m])))")}`,
      alerts: "alerts?range=15m",
      vulnerabilities: "vulnerabilities",
      cost: "cost?range=15m&server=files&cpu_request=500m&memory_request=512Mi&new_min=1",
      settings: "settings?range=15m",
    };
    let taken = 0;
    // PICTURES=readme: only those, when nobody is to look at the rest.
    const looks = process.env.PICTURES === "readme" ? [] : LOOKS;
    for (const [look, options] of looks) {
      const page = await open(options);
      for (const [name, path] of Object.entries(pages)) {
        await page.goto(`${at}${path}`);
        await settled(page);
        await page.screenshot({ path: join(into, `${name}-${look}.png`) });
        if (WHOLE.has(look)) await page.screenshot({ path: join(into, "whole", `${name}-${look}.png`), fullPage: true });
        taken += 1;
      }
      await page.context().close();
    }
    await ofReadme(open, at, pages, check);
    check("pictures of every page in every look", taken === looks.length * Object.keys(pages).length, taken);
  } finally {
    await scene.end();
  }
}

/** Those that the README shows: smaller, and renewed together with what tells that they are current. */
async function ofReadme(open, at, pages, check) {
  mkdirSync(IMAGES, { recursive: true });
  for (const [file, name, colorScheme] of PICTURES) {
    const page = await open({ colorScheme, viewport: { width: 1200, height: name === "overview" ? 1000 : 750 } });
    await page.goto(`${at}${pages[name]}`);
    await settled(page);
    await page.screenshot({ path: join(IMAGES, file) });
    await page.context().close();
  }
  stamp();
  check("the pictures of the README are small and current", wrong() === undefined, wrong());
}

/** All that the page asked for is there. */
async function settled(page) {
  await page.locator(".section").first().waitFor();
  await page.waitForFunction(() => document.querySelector("main .loading") === null);
}
