// The page and its files as they are served, without a browser.
import { wrong } from "../pictures.mjs";

const BYTES_MAX = 300 * 1024;

export async function files({ gateway, check }) {
  check("the pictures of the README are current", wrong() === undefined, wrong());
  const page = await gateway.api("/", { headers: { accept: "text/html" } });
  check("the page has a policy", /script-src 'self'/.test(page.headers.get("content-security-policy") ?? "") && !/unsafe/.test(page.headers.get("content-security-policy") ?? ""));
  check("the page is built", page.text.includes("assets/index-"), page.text.slice(0, 200));
  check("the page is asked for again", page.headers.get("cache-control") === "no-cache" && page.headers.get("x-content-type-options") === "nosniff");
  const known = await gateway.api("/", { headers: { accept: "text/html", "if-none-match": page.headers.get("etag") } });
  check("a page that is known is not sent", known.status === 304, known.status);
  let bytes = 0;
  for (const [, path] of page.text.matchAll(/(?:src|href)="\.(\/assets\/[^"]+)"/g)) {
    const file = await fetch(`http://${gateway.admin}${path}`, { headers: { "accept-encoding": "gzip" } });
    check(`${path} is kept for ever`, file.headers.get("cache-control").includes("immutable") && file.headers.get("content-encoding") === "gzip");
    bytes += Number(file.headers.get("content-length"));
    await file.arrayBuffer();
  }
  console.log(`the console is ${bytes} bytes, compressed`);
  check("the console is small", bytes > 0 && bytes < BYTES_MAX, bytes);
  check("an unknown file is none", (await gateway.api("/assets/none.js")).status === 404);
  check("an unknown page is none", (await gateway.api("/nowhere", { headers: { accept: "text/html" } })).status === 404);
  check("who is no browser gets text", !(await gateway.api("/")).text.includes("<!doctype"));
}
