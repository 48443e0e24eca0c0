// What changed: events of the log that a person would want to know of when a line on a chart bends.

import { get } from "./api/client";
import type { Mark } from "./ui/chart";
import { within, type Span } from "./time";
import type { Dictionary } from "./i18n/en";

export interface Change {
  at: number;
  kind: string;
  server: string | undefined;
  text: string;
  bad: boolean;
}

const KINDS = ["plan_loaded", "plan_rejected", "restart", "crash_loop", "child_exited", "tool_definition_changed", "tool_approved", "alert_firing", "alert_resolved"];
/** What alerts did. */
export const ALERTED = ["alert_firing", "alert_resolved"];
const BAD = new Set(["plan_rejected", "crash_loop", "child_exited", "tool_definition_changed", "alert_firing"]);
const LIMIT = 200;

/** Changes of a span, the newest first; of one server, or of all; or only what alerts did. */
export async function changes(span: Span, server: string | undefined, signal?: AbortSignal, onlyAlerts = false): Promise<Change[]> {
  const of = server === undefined ? "" : ` (server=${quoted(server)} OR server!=*)`;
  const kinds = onlyAlerts ? `event=${ALERTED.join("|")}` : `(event=${KINDS.join("|")} OR event=note "audit: ")`;
  const query = `kind=event ${kinds}${of}`;
  const found = await get("/api/pilothouse/logs", { query, ...within(span), limit: LIMIT }, signal);
  return found.records
    .filter((record) => isAbout(record, server))
    .map(read)
    .filter((change) => change !== undefined);
}

/** Whether an event is about a server, or about all. Alerts name theirs among their labels. */
export function isAbout(record: Record<string, unknown>, server: string | undefined): boolean {
  const labels = record["labels"];
  const named = typeof labels === "string" ? /[{,] ?server="((?:[^"\\]|\\.)*)"/.exec(labels)?.[1] : record["server"];
  return server === undefined || named === undefined || named === server;
}

/** Reads a line of the log; `undefined` when nothing changed by it. */
export function read(record: Record<string, unknown>): Change | undefined {
  const text = (name: string) => (typeof record[name] === "string" ? record[name] : undefined);
  const kind = text("event") ?? "";
  const message = text("message") ?? "";
  const isAudit = kind === "note" && message.startsWith("audit: ");
  if (!KINDS.includes(kind) && !isAudit) return undefined;
  if (kind === "child_exited" && record["expected"] === true) return undefined;
  return {
    at: Date.parse(text("timestamp") ?? "") / 1000,
    kind: isAudit ? "audit" : kind,
    server: text("server"),
    text: isAudit ? message.slice(7) : about(record, kind, message),
    bad: BAD.has(kind),
  };
}

/** What there is to say beyond its kind. */
function about(record: Record<string, unknown>, kind: string, message: string): string {
  const said = (...names: string[]) => names.map((name) => record[name]).filter((value) => typeof value === "string" || typeof value === "number");
  switch (kind) {
    case "alert_firing":
    case "alert_resolved":
      return said("alert", "summary").join(": ");
    case "tool_definition_changed":
      return said("tool", "change", "places").join(", ");
    case "tool_approved":
      return said("tool", "by").join(", ");
    case "restart":
      return said("reason").join();
    case "crash_loop":
      return said("restarts").join();
    case "child_exited":
      return said("exit", "stderr_tail").join(": ");
    case "plan_loaded":
      return said("changes").join() || said("hash").join().slice(0, 12);
    case "plan_rejected":
      return said("error").join();
    default:
      return message;
  }
}

/** A value in a query of the log. */
export function quoted(value: string): string {
  return `"${value.replace(/["\\]/g, "\\$&")}"`;
}

export function marks(list: readonly Change[], t: Dictionary): Mark[] {
  return list.map((change) => ({
    at: change.at,
    text: [change.server, t.changesOf[change.kind] ?? change.kind].filter(Boolean).join(": "),
    tone: change.bad ? "bad" : "change",
  }));
}
