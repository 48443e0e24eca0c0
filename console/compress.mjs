// After a build: each file of dist gets its compressed form, which is what the binary holds, and what an earlier
// build left goes. Fails when the whole is larger than the limit.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const LIMIT_BYTES = 300 * 1024;
const dist = join(dirname(fileURLToPath(import.meta.url)), "dist");

const index = readFileSync(join(dist, "index.html"), "utf8");
const files = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter(
  (name) => statSync(join(dist, name)).isFile() && name !== ".keep",
);
const isOld = (name) => name.endsWith(".gz") || (name.startsWith("assets/") && !index.includes(name));
for (const name of files.filter(isOld)) rmSync(join(dist, name));
let total = 0;
for (const name of files.filter((one) => !isOld(one))) {
  const place = join(dist, name);
  const packed = gzipSync(readFileSync(place), { level: 9 });
  writeFileSync(`${place}.gz`, packed);
  total += packed.length;
  console.log(`${String(packed.length).padStart(8)}  ${name}`);
}
console.log(`${String(total).padStart(8)}  of ${LIMIT_BYTES} bytes, compressed`);
if (total > LIMIT_BYTES) {
  console.error("the console is too large");
  process.exit(1);
}
