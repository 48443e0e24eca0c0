// The console in a browser, against the real binary with real traffic. Nothing here waits for a fixed time.
import { Checks, start } from "./harness.mjs";

// In this order: `restarted` leaves a gateway that asks for keys. A part is parts/NAME.mjs, which exports NAME(context).
const ORDER = [
  "types",
  "files",
  "overview",
  "server",
  "calls",
  "explore",
  "alerts",
  "vulnerabilities",
  "cost",
  "settings",
  "actions",
  "tasks",
  "week",
  "hostile",
  "elsewhere",
  "shots",
  "restarted",
];

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !ORDER.includes(name));
if (unknown.length > 0) {
  console.error(`there is no part ${unknown.join(", ")}; there are ${ORDER.join(", ")}`);
  process.exit(2);
}
// Names choose some of them.
const chosen = ORDER.filter((name) => asked.length === 0 || asked.includes(name));
const checks = new Checks();
const since = (begun) => `${((Date.now() - begun) / 1000).toFixed(1)} s`;
const begun = Date.now();
let context;
try {
  context = await start(checks);
  for (const name of chosen) {
    const part = (await import(`./parts/${name}.mjs`))[name];
    const at = Date.now();
    try {
      await part(context);
    } catch (error) {
      checks.check(name, false, String(error.stack).slice(0, 1500));
    }
    await context.leave();
    console.log(`${name.padEnd(16)} ${since(at)}`);
  }
} catch (error) {
  checks.check("the suite", false, String(error.stack));
} finally {
  await context?.end();
}
console.log(since(begun));
console.log(`${checks.passed} passed, ${checks.failed} failed`);
process.exit(checks.failed === 0 && checks.passed > 0 ? 0 : 1);
