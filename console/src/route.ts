// Addresses: one word for the page, all else in the query, so that every view can be sent to somebody.

export const PAGES = ["overview", "server", "calls", "trace", "explore", "alerts", "vulnerabilities", "cost", "settings"] as const;
export type Page = (typeof PAGES)[number];

export interface Route {
  page: Page;
  query: URLSearchParams;
}

/** The folder that the console is served from: `/`, or what a proxy puts in front. */
export const base = new URL(".", document.baseURI);

export function read(location: { pathname: string; search: string }): Route {
  const word = location.pathname.slice(location.pathname.lastIndexOf("/") + 1);
  const page = PAGES.find((known) => known === word) ?? "overview";
  return { page, query: new URLSearchParams(location.search) };
}

/** The address of a page; the range of time goes along unless another one is given. */
export function href(page: Page, query: Record<string, string | undefined> = {}, from = current().query): string {
  const all = new URLSearchParams();
  for (const kept of ["range", "from", "to"]) {
    const value = from.get(kept);
    if (value !== null && !("range" in query) && !("from" in query)) all.set(kept, value);
  }
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") all.set(name, value);
  }
  const text = all.toString();
  return (page === "overview" ? "./" : `./${page}`) + (text === "" ? "" : `?${text}`);
}

const listeners = new Set<() => void>();
let now: Route = read(window.location);

export function current(): Route {
  return now;
}

export function onRoute(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function changed(): void {
  now = read(window.location);
  for (const listener of listeners) listener();
}

window.addEventListener("popstate", changed);

export function go(address: string, how: "push" | "replace" = "push"): void {
  const url = new URL(address, base);
  if (how === "push") window.history.pushState(null, "", url);
  else window.history.replaceState(null, "", url);
  changed();
  if (how === "push") window.scrollTo(0, 0);
}

/** Changes some parameters of the page that is shown; `undefined` takes one away. */
export function adjust(changes: Record<string, string | undefined>, how: "push" | "replace" = "push"): void {
  const query = new URLSearchParams(now.query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  go((now.page === "overview" ? "./" : `./${now.page}`) + (text === "" ? "" : `?${text}`), how);
}
