// The pictures in docs/images, and whether they are of the console as it is: beside them stands a digest of what they show.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const SOURCES = join(ROOT, "console/src");
export const IMAGES = join(ROOT, "docs/images");
const STAMP = join(IMAGES, "stamp");
/** Bytes that one may have: a README is read on telephones, too. */
export const BYTES_MAX = 170 * 1024;
/** Picture, page, look. */
export const PICTURES = [
  ["overview.png", "overview", "light"],
  ["overview-dark.png", "overview", "dark"],
  ["server.png", "server", "light"],
  ["trace.png", "trace", "dark"],
  ["alerts.png", "alerts", "light"],
];

/** Of the pages that are in a picture and of the parts that they are made of. Not of words, and not of other pages. */
function digest() {
  const pages = [...new Set(PICTURES.map(([, page]) => `pages/${page}.tsx`))];
  const parts = readdirSync(join(SOURCES, "ui")).map((name) => `ui/${name}`);
  const hash = createHash("sha256");
  for (const path of [...pages, ...parts].sort()) hash.update(`${path}\n`).update(readFileSync(join(SOURCES, path)));
  return hash.digest("hex");
}

export function stamp() {
  writeFileSync(STAMP, `${digest()}\n`);
}

/** What is wrong with them; `undefined` when they are current. */
export function wrong() {
  try {
    if (readFileSync(STAMP, "utf8").trim() !== digest()) return "the pages in docs/images look otherwise by now: make screenshots";
    const large = PICTURES.map(([name]) => [name, readFileSync(join(IMAGES, name)).length]).filter(([, bytes]) => bytes > BYTES_MAX);
    return large.length === 0 ? undefined : `${large.join(" ")} of at most ${BYTES_MAX} bytes`;
  } catch (error) {
    return `${error.message}: make screenshots`;
  }
}
