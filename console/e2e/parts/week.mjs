// The overview beside the same hour of last week. That week's numbers are real ones, too: of a Pilothouse whose clock is put
// back by seven days (libfaketime), on the same data directory.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { BINARY, Gateway, until } from "../gateway.mjs";
import { FAKETIME } from "../faketime.mjs";
import { call } from "../traffic.mjs";

const BEFORE = { LD_PRELOAD: FAKETIME, FAKETIME: "-7d", FAKETIME_DONT_FAKE_MONOTONIC: "1" };
const CALLS = 600;

export async function week({ folder, open, check, behindOf }) {
  check("libfaketime is there (Debian: faketime)", FAKETIME !== undefined);
  if (FAKETIME === undefined) return;
  const place = join(folder, "week");
  mkdirSync(place);
  const gateway = new Gateway(place);
  const config = `
store: {sample_interval: 500ms}
servers:
  files: {command: ${BINARY}, args: [workbench, --root, ${place}], health: {interval: 1s}}
`;
  try {
    await gateway.start(config, BEFORE);
    await some(gateway, CALLS);
    await gateway.stop();
    await gateway.start(config);
    await some(gateway, 3 * CALLS);
    const page = await open();
    await page.goto(`${await behindOf(gateway)}?range=15m`);
    const said = page.locator(".section", { hasText: "Traffic" }).locator(".odd", { hasText: "× the same hour last week" });
    await said.waitFor();
    const times = Number.parseFloat(await said.textContent());
    check("three times as much as last week is told", times > 2.5 && times < 3.5, times);
    const last = page.locator(".chart .entry.before", { hasText: "−7 d" });
    await last.waitFor();
    check("last week is drawn beside it", /\d/.test(await last.locator("b").textContent()), await last.textContent());
    await page.context().close();
  } finally {
    await gateway.stop();
  }
}

/** Calls that are all counted: after a first sample of their counter, and before a last one. */
async function some(gateway, calls) {
  const counted = async () => {
    const found = JSON.parse((await gateway.api(`/api/v1/query?query=${encodeURIComponent('sum(mcp_tool_calls_total{tool="echo"})')}`)).text);
    return Number(found.data.result[0]?.value[1] ?? 0);
  };
  await call(gateway.listen, "files", "echo", { text: "x" });
  const before = await until("a first sample", async () => (await counted()) || undefined);
  for (let n = 0; n < calls; n += 1) await call(gateway.listen, "files", "echo", { text: "x" });
  await until("a last sample", async () => (await counted()) >= before + calls);
}
