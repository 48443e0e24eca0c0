// A Pilothouse of its own, in a folder of its own.
import { spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync, rmSync } from "node:fs";
import { join } from "node:path";

export const BINARY = process.env.PILOTHOUSE_BIN;
export const LIMIT_MS = 30_000;

export class Gateway {
  constructor(folder) {
    this.folder = folder;
    this.data = join(folder, "data");
    this.listen = "127.0.0.1:0";
    this.admin = "127.0.0.1:0";
    mkdirSync(this.data, { recursive: true });
  }

  /** Starts with a configuration (and more environment); the second time where it was before. */
  async start(config, environment = {}) {
    const file = join(this.folder, "pilothouse.yaml");
    writeFileSync(file, config);
    rmSync(join(this.data, "admin.addr"), { force: true });
    const said = join(this.folder, "stderr");
    rmSync(said, { force: true });
    this.child = spawn(BINARY, ["run", "--config", file, "--listen", this.listen, "--admin", this.admin, "--data-dir", this.data], { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...environment } });
    this.child.stderr.pipe(createWriteStream(said));
    this.admin = await until("the admin listener's address", () =>
      existsSync(join(this.data, "admin.addr")) ? readFileSync(join(this.data, "admin.addr"), "utf8").trim().replace(/^http:\/\//, "") : undefined,
    );
    this.listen = await until("the data listener's address", () => {
      const found = existsSync(said) ? readFileSync(said, "utf8").match(/127\.0\.0\.1:\d+/g) : null;
      return found?.find((one) => one !== this.admin);
    });
  }

  async stop() {
    if (this.child === undefined || this.child.exitCode !== null) return;
    const gone = new Promise((done) => this.child.once("exit", done));
    this.child.kill("SIGTERM");
    await gone;
  }

  /** Another configuration, from now on. */
  async reload(config) {
    writeFileSync(join(this.folder, "pilothouse.yaml"), config);
    this.child.kill("SIGHUP");
  }

  async api(path, init) {
    const answer = await fetch(`http://${this.admin}${path}`, init);
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  }
}

/** Looks until there is something. */
export async function until(what, look, limit = LIMIT_MS) {
  const end = Date.now() + limit;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false && seen !== null) return seen;
    if (Date.now() > end) throw new Error(`waited ${limit} ms for ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
