// The one stream of what changes. `EventSource` cannot show a key, so the stream is read by `fetch`.

import { useEffect, useState } from "preact/hooks";
import { address, headers, unknown, type Schema } from "./client";

export type Server = Schema["ServerInfo"];
export type Happening = Record<string, unknown>;
export type Topic = "servers" | "alerts" | "silences" | "numbers" | "events";

export interface Live {
  state: "connecting" | "live" | "away";
  servers: Server[] | undefined;
  firing: number;
  pending: number;
  /** How often each topic has changed. */
  versions: Record<Topic, number>;
  /** The last events since the page was opened, the newest first. */
  events: Happening[];
}

const EVENTS_MAX = 200;
const WAIT_MS_MIN = 500;
const WAIT_MS_MAX = 10_000;
/** The server is never quiet for longer than 10 s. */
const SILENCE_MS_MAX = 30_000;

let live: Live = {
  state: "connecting",
  servers: undefined,
  firing: 0,
  pending: 0,
  versions: { servers: 0, alerts: 0, silences: 0, numbers: 0, events: 0 },
  events: [],
};
/** The first stream begins with all topics; numbers, which are dear, the page has asked for itself. */
let isGreeted = false;
const listeners = new Set<() => void>();
let stopped: AbortController | undefined;

function set(change: Partial<Live>, topic?: Topic): void {
  const versions = topic === undefined ? live.versions : { ...live.versions, [topic]: live.versions[topic] + 1 };
  live = { ...live, ...change, versions };
  for (const listener of listeners) listener();
}

export function useLive(): Live {
  const [, again] = useState(0);
  useEffect(() => {
    const listener = () => again((n) => n + 1);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }, []);
  return live;
}

/** Begins to listen, and goes on whatever happens, until it is started or stopped again. */
export function start(): void {
  stop();
  const end = new AbortController();
  stopped = end;
  void listen(end.signal);
}

export function stop(): void {
  stopped?.abort();
  stopped = undefined;
}

async function listen(end: AbortSignal): Promise<void> {
  let wait = WAIT_MS_MIN;
  while (!end.aborted) {
    const one = new AbortController();
    const leave = () => one.abort();
    end.addEventListener("abort", leave, { once: true });
    try {
      const response = await fetch(address("/api/pilothouse/live"), { headers: headers(), signal: one.signal });
      if (response.status === 401) {
        unknown();
        return;
      }
      if (response.ok && response.body !== null) {
        set({ state: "live" });
        wait = WAIT_MS_MIN;
        await follow(response.body.getReader(), one);
      }
    } catch {
      // Gone; it is asked again below.
    }
    end.removeEventListener("abort", leave);
    one.abort();
    if (end.aborted) return;
    set({ state: "away" });
    await new Promise((done) => setTimeout(done, wait));
    wait = Math.min(wait * 2, WAIT_MS_MAX);
  }
}

async function follow(reader: ReadableStreamDefaultReader<Uint8Array>, one: AbortController): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const silence = setTimeout(() => one.abort(), SILENCE_MS_MAX);
    const { done, value } = await reader.read();
    clearTimeout(silence);
    if (done) return;
    rest += decoder.decode(value, { stream: true });
    const blocks = rest.split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) take(block);
  }
}

/** One event of the stream. */
function take(block: string): void {
  const { name, data } = readEvent(block);
  if (data === "") return;
  let body: unknown;
  try {
    body = JSON.parse(data);
  } catch {
    return;
  }
  if (name === "servers") set({ servers: (body as { servers: Server[] }).servers }, "servers");
  else if (name === "alerts") set(body as { firing: number; pending: number }, "alerts");
  else if (name === "silences") set({}, "silences");
  else if (name === "numbers") {
    if (isGreeted) set({}, "numbers");
    isGreeted = true;
  }
  else if (name === "event") set({ events: [body as Happening, ...live.events].slice(0, EVENTS_MAX) }, "events");
}

export function readEvent(block: string): { name: string; data: string } {
  let name = "message";
  const data: string[] = [];
  for (const text of block.split("\n")) {
    if (text.startsWith("event:")) name = text.slice(6).trim();
    else if (text.startsWith("data:")) data.push(text.slice(5).replace(/^ /, ""));
  }
  return { name, data: data.join("\n") };
}
