// A proxy that puts a prefix in front, as an operator's would; with a folder, the console comes from there.
import { existsSync, readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { extname, join } from "node:path";

const KINDS = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Serves until it is closed; gives its address. */
export function proxy(admin, prefix, folder) {
  const [host, port] = admin.split(":");
  const server = createServer((asked, answer) => {
    if (!asked.url.startsWith(`${prefix}/`)) {
      answer.writeHead(404).end();
      return;
    }
    const path = asked.url.slice(prefix.length);
    const file = folder === undefined ? undefined : fileOf(folder, path);
    if (file !== undefined) {
      answer.writeHead(200, { "content-type": KINDS[extname(file)] ?? "application/octet-stream", "content-security-policy": POLICY });
      answer.end(readFileSync(file));
      return;
    }
    const headers = { ...asked.headers, host: admin };
    delete headers.origin;
    const onward = request({ host, port, path, method: asked.method, headers }, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    onward.on("error", () => answer.destroy());
    answer.on("close", () => onward.destroy());
    asked.pipe(onward);
  });
  return new Promise((done) => {
    server.listen(0, "127.0.0.1", () => done({ server, address: `127.0.0.1:${server.address().port}` }));
  });
}

function fileOf(folder, url) {
  const path = url.split("?")[0];
  const isPage = /^\/[a-z]*$/.test(path) && !["/metrics", "/runbooks", "/graph"].includes(path);
  const file = join(folder, isPage ? "index.html" : path);
  return (isPage || path.startsWith("/assets/") || path === "/favicon.svg") && existsSync(file) ? file : undefined;
}
