// An alert as a row: what, where, since when, for whom, and what to do.

import { get } from "../api/client";
import { clock } from "../format";
import type { ActiveAlert } from "../api/prometheus";
import { quoted } from "../changes";
import { useWords } from "../i18n";
import { useLoad } from "../load";
import { base, href } from "../route";
import { number } from "../format";
import { Foreign, Link, Status, type Tone } from "./parts";

const TONE: Record<string, Tone> = { critical: "bad", warning: "warn" };
/** Clients that are named. */
const CLIENTS_SHOWN = 3;

/** `named`: whose calls they are is asked for, too. */
export function Alert({ alert, named, children }: { alert: ActiveAlert; named: boolean; children?: preact.ComponentChildren }) {
  const t = useWords();
  const { alertname, server, tool, severity } = alert.labels;
  const since = Date.parse(alert.activeAt) / 1000;
  const query = troubled(server, tool);
  const from = Math.floor(since) - 300;
  const clients = useLoad(
    (signal) => (server === undefined || !named ? Promise.resolve(undefined) : get("/api/pilothouse/logs/top", { field: "client", query, from, limit: CLIENTS_SHOWN }, signal)),
    [server, tool, from, named],
  );
  const value = Number(alert.value);
  return (
    <li class="alert">
      <div class="head">
        <Status tone={alert.state === "firing" ? (TONE[severity ?? ""] ?? "none") : "none"}>
          <strong>
            <Foreign text={alertname} max={80} />
          </strong>
        </Status>
        {server === undefined ? null : (
          <Link to={href("server", { name: server })}>
            <Foreign text={server} max={64} />
          </Link>
        )}
        <span class="muted">{t.since(clock(since))}</span>
        {Number.isFinite(value) ? <span class="muted">{t.alert.value(number(value))}</span> : null}
      </div>
      <p>
        <Foreign text={alert.annotations["summary"] ?? alert.annotations["description"]} max={300} />
      </p>
      {clients.data === undefined || clients.data.values.length === 0 ? null : (
        <p class="muted">
          {t.alert.affected}:{" "}
          {clients.data.values.map((one) => (
            <span key={one.value} class="client">
              <Foreign text={one.value} max={60} /> {one.count}
            </span>
          ))}
        </p>
      )}
      <div class="actions">
        <Link to={href("calls", { query, from: String(from), to: String(Math.floor(Date.now() / 1000)) })}>{t.alert.calls}</Link>
        {server === undefined ? null : <Link to={href("server", { name: server })}>{t.alert.server}</Link>}
        <a href={new URL(`./runbooks/${encodeURIComponent(alertname ?? "")}`, base).href}>{t.alert.runbook}</a>
        {children}
      </div>
    </li>
  );
}

/** The calls that an alert is likely to be about: those that failed or were slow. */
function troubled(server: string | undefined, tool: string | undefined): string {
  const of = [server === undefined ? "" : `server=${quoted(server)}`, tool === undefined || tool === "" ? "" : `tool=${quoted(tool)}`];
  return [...of, "kind=call", "(status>=500 OR duration>=1s)"].filter((part) => part !== "").join(" ");
}
