// Keys: `/` searches, `g` and a letter goes to a page, `j` and `k` move through rows, `?` tells of them.

import { current, go, href, type Page } from "./route";

const PAGE_OF: Record<string, Page> = { o: "overview", c: "calls", a: "alerts", e: "explore", v: "vulnerabilities" };
/** After a `g` the next key counts for so long. */
const CHORD_MS = 1500;

export function keyboard(on: { help: () => void }): () => void {
  let chordUntil = 0;
  const listener = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const at = event.target as HTMLElement | null;
    if (at !== null && (at.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(at.tagName))) {
      if (event.key === "Escape") at.blur();
      return;
    }
    if (document.querySelector("dialog[open]") !== null) return;
    const inChord = Date.now() < chordUntil;
    chordUntil = 0;
    if (inChord) {
      const page = PAGE_OF[event.key];
      if (page !== undefined) {
        event.preventDefault();
        go(href(page));
      }
      return;
    }
    switch (event.key) {
      case "g":
        chordUntil = Date.now() + CHORD_MS;
        break;
      case "/":
        event.preventDefault();
        search();
        break;
      case "?":
        event.preventDefault();
        on.help();
        break;
      case "j":
      case "k":
        if (move(event.key === "j" ? 1 : -1)) event.preventDefault();
        break;
    }
  };
  document.addEventListener("keydown", listener);
  return () => document.removeEventListener("keydown", listener);
}

function search(): void {
  const field = () => document.querySelector<HTMLElement>("[data-search]");
  if (field() === null || !["calls", "explore"].includes(current().page)) {
    go(href("calls"));
    requestAnimationFrame(() => requestAnimationFrame(() => field()?.focus()));
  } else field()?.focus();
}

/** Moves the focus to the next row of the page: its link or button. */
function move(by: number): boolean {
  const rows = [...document.querySelectorAll<HTMLElement>(".rows > *")]
    .map((row) => (row.matches("a, button") ? row : row.querySelector<HTMLElement>("a, button, summary")))
    .filter((row) => row !== null);
  if (rows.length === 0) return false;
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, at + by));
  rows[next]?.focus();
  rows[next]?.scrollIntoView({ block: "nearest" });
  return true;
}
