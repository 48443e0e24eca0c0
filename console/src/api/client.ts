// Asking the API. What it takes and gives is of its own OpenAPI document (`npm run api`).

import { base } from "../route";
import type { components, paths } from "./schema";

export type Schema = components["schemas"];
type JsonOf<R> = R extends { responses: { 200: { content: { "application/json": infer T } } } } ? T : never;
type Get<P extends keyof paths> = paths[P] extends { get: infer G } ? JsonOf<G> : never;
type Params = Record<string, string | number | readonly string[] | undefined>;

/** What the API refused, and what it says to do about it. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly hint?: string,
    /** The parameter that is wrong. */
    readonly field?: string,
  ) {
    super(message);
  }
}

const KEY = "pilothouse-key";
let onUnknown: () => void = () => undefined;

/** Called when the API wants to know who asks. */
export function whenUnknown(listener: () => void): void {
  onUnknown = listener;
}

export function unknown(): void {
  onUnknown();
}

// A cookie would go to every port of this host; what is stored here belongs to this origin alone.
export function key(): string | null {
  return sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);
}

export function setKey(value: string | null, keep = false): void {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
  if (value !== null) (keep ? localStorage : sessionStorage).setItem(KEY, value);
}

export function headers(): Record<string, string> {
  const known = key();
  return known === null ? {} : { authorization: `Bearer ${known}` };
}

/** The address of a path of the API, under whatever prefix the console has. */
export function address(path: string, params: Params = {}): URL {
  const query = new URLSearchParams();
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(params[name] ?? "")));
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined || path.includes(`{${name}}`)) continue;
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one));
  }
  const url = new URL(`.${filled}`, base);
  url.search = query.toString();
  return url;
}

async function ask<T>(url: URL, init: RequestInit): Promise<T> {
  const response = await fetch(url, { ...init, headers: { ...headers(), ...init.headers }, credentials: "same-origin" });
  if (response.status === 401) onUnknown();
  const text = await response.text();
  let body: unknown;
  try {
    body = text === "" ? null : JSON.parse(text);
  } catch {
    body = text;
  }
  if (!response.ok) {
    const said = body as { error?: unknown; hint?: unknown; field?: unknown } | string | null;
    if (typeof said === "object" && said !== null) {
      const text = (one: unknown) => (one === undefined ? undefined : String(one));
      throw new Refused(response.status, String(said.error ?? response.statusText), text(said.hint), text(said.field));
    }
    throw new Refused(response.status, said ?? response.statusText);
  }
  return body as T;
}

export function get<P extends keyof paths & string>(path: P, params?: Params, signal?: AbortSignal): Promise<Get<P>> {
  return ask<Get<P>>(address(path, params), { ...(signal === undefined ? {} : { signal }) });
}

export function post<T>(path: keyof paths & string, params: Params, body: unknown): Promise<T> {
  return ask<T>(address(path, params), {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
}

export function remove(path: keyof paths & string, params: Params): Promise<unknown> {
  return ask(address(path, params), { method: "DELETE" });
}
