// The types that the console is written against are those of the API of this binary.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const CONSOLE = join(dirname(fileURLToPath(import.meta.url)), "../..");

export async function types({ check, gateway }) {
  const folder = mkdtempSync(join(tmpdir(), "console-types-"));
  try {
    const document = join(folder, "openapi.json");
    writeFileSync(document, (await gateway.api("/api/pilothouse/openapi.json")).text);
    execFileSync(join(CONSOLE, "node_modules/.bin/openapi-typescript"), [document, "-o", join(folder, "schema.ts")], { stdio: "ignore" });
    const same = readFileSync(join(folder, "schema.ts"), "utf8") === readFileSync(join(CONSOLE, "src/api/schema.ts"), "utf8");
    check("src/api/schema.ts is made of the API as it is (`npm run api` beside a gateway makes it anew)", same);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
