// Vulnerabilities: the cases by where they stand, with what is due; what is known of one, and its next step.

import { useContext, useEffect, useState } from "preact/hooks";
import { get, post, type Schema } from "../api/client";
import { clock, duration, whole } from "../format";
import { useWords } from "../i18n";
import { useLoad } from "../load";
import { may, Me } from "../me";
import { adjust, href } from "../route";
import { Dialog, Empty, Failed, Foreign, Link, Loading, Problem, Section, Status, type Tone } from "../ui/parts";
import { useRoute } from "../use-route";
import { Loadable } from "./overview";

type Case = Schema["CaseInfo"];
const OPEN = ["detected", "assessed", "patching", "testing", "accepted", "monitoring"] as const;
const TONE: Record<string, Tone> = { critical: "bad", high: "bad", medium: "warn", low: "none" };
/** How near a case has to be to a caller to be worth a word. */
const NEAR = new Set(["symbol_used", "reachable", "seen"]);
const SETTLED_SHOWN = 30;
const DAY_S = 86400;
const UNTIL_DAYS_MAX = 366;
const JUSTIFICATIONS = [
  "component_not_present",
  "vulnerable_code_not_present",
  "vulnerable_code_not_in_execute_path",
  "vulnerable_code_cannot_be_controlled_by_adversary",
  "inline_mitigations_already_exist",
] as const;
const LOOK_EVERY_MS = 15_000;

export function Vulnerabilities() {
  const t = useWords();
  const me = useContext(Me);
  const route = useRoute();
  const cases = useLoad((signal) => get("/api/pilothouse/vulnerabilities", {}, signal), [], ["events"]);
  const [scanning, setScanning] = useState(false);
  const [failed, setFailed] = useState<Error | undefined>();
  const id = route.query.get("case");
  // A case comes and goes without an event.
  useEffect(() => {
    const timer = setInterval(cases.again, LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, []);

  function scan(): void {
    setScanning(true);
    setFailed(undefined);
    post("/api/pilothouse/vulnerabilities", {}, { server: null } satisfies Schema["NewScan"])
      .then(cases.again, (error: unknown) => setFailed(error instanceof Error ? error : new Error(String(error))))
      .finally(() => setScanning(false));
  }

  return (
    <>
      <Loadable of={cases}>
        {(data) => {
          const open = data.vulnerabilities.filter((one) => one.open);
          const settled = data.vulnerabilities.filter((one) => !one.open);
          return (
            <>
              {open.length === 0 ? (
                <Section title={t.pages.vulnerabilities}>
                  <Empty>{t.vulnerabilities.none}</Empty>
                </Section>
              ) : (
                <div class="board">
                  {OPEN.filter((state) => open.some((one) => one.state === state)).map((state) => (
                    <Section key={state} title={`${t.vulnerabilities.state[state]} · ${open.filter((one) => one.state === state).length}`}>
                      <ul class="cases rows">
                        {open
                          .filter((one) => one.state === state)
                          .map((one) => (
                            <Card key={one.id} of={one} at={data.at} />
                          ))}
                      </ul>
                    </Section>
                  ))}
                </div>
              )}
              <Section
                title={t.vulnerabilities.scans}
                more={
                  <button type="button" disabled={!may(me, "operator") || scanning} title={may(me, "operator") ? undefined : t.action.needs("operator")} onClick={scan}>
                    {scanning ? `${t.vulnerabilities.scanning}…` : t.vulnerabilities.scan}
                  </button>
                }
              >
                {failed === undefined ? null : <Problem error={failed} />}
                <Scans servers={data.servers} />
              </Section>
              {settled.length === 0 ? null : (
                <Section title={t.vulnerabilities.settled}>
                  <ul class="cases settled rows">
                    {settled.slice(0, SETTLED_SHOWN).map((one) => (
                      <Card key={one.id} of={one} at={data.at} />
                    ))}
                  </ul>
                </Section>
              )}
            </>
          );
        }}
      </Loadable>
      {id === null ? null : <One key={id} id={id} onClose={() => adjust({ case: undefined })} onMoved={cases.again} />}
    </>
  );
}

function Due({ of, at }: { of: Case; at: number }) {
  const t = useWords();
  if (of.accepted_until != null) return <span class="muted">{t.vulnerabilities.acceptedUntil(clock(of.accepted_until))}</span>;
  if (of.due == null) return null;
  const left = of.due - at;
  return left < 0 || of.overdue ? (
    <Status tone="bad">{t.vulnerabilities.overdue(duration(Math.abs(left)))}</Status>
  ) : (
    <Status tone={left < DAY_S / 4 ? "warn" : "none"}>{t.vulnerabilities.due(duration(left))}</Status>
  );
}

function Card({ of, at }: { of: Case; at: number }) {
  const t = useWords();
  return (
    <li class="case">
      <button type="button" onClick={() => adjust({ case: String(of.id) })}>
        <span class="head">
          <Status tone={TONE[of.severity] ?? "none"}>
            {t.vulnerabilities.severity[of.severity] ?? of.severity} {of.score.toFixed(1)}
          </Status>
          <Due of={of} at={at} />
        </span>
        <b>
          <Foreign text={of.package} max={80} /> <Foreign text={of.versions.join(", ")} max={60} />
        </b>
        <span class="muted">
          <Foreign text={of.server} max={64} /> · <Foreign text={of.advisory} max={40} />
          {of.open ? null : ` · ${t.vulnerabilities.state[of.state] ?? of.state}`}
        </span>
        <span class="summary">
          <Foreign text={of.summary} max={160} />
        </span>
        {of.exploited ? <Status tone="bad">{t.vulnerabilities.exploited}</Status> : null}
        {of.malicious ? <Status tone="bad">{t.vulnerabilities.malicious}</Status> : null}
        {of.exposure == null || !NEAR.has(of.exposure.level) ? null : <span class="muted">{t.vulnerabilities.level[of.exposure.level] ?? of.exposure.level}</span>}
      </button>
    </li>
  );
}

function Scans({ servers }: { servers: Schema["ScannedServer"][] }) {
  const t = useWords();
  if (servers.length === 0) return <Empty>{t.vulnerabilities.never}</Empty>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t.vulnerabilities.scans}>
      <table>
        <tbody>
          {servers.map((one) => (
            <tr key={one.server}>
              <td>
                <Link to={href("server", { name: one.server })}>
                  <Foreign text={one.server} max={64} />
                </Link>
              </td>
              <td>
                {one.incomplete.length === 0 ? (
                  <Status tone="good">{t.vulnerabilities.complete}</Status>
                ) : (
                  <Status tone="warn">{t.vulnerabilities.incomplete(one.incomplete.join(", "))}</Status>
                )}
              </td>
              <td class="muted">{clock(one.at, true)}</td>
              <td class="muted">
                <Foreign text={one.artefact} max={160} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function One({ id, onClose, onMoved }: { id: string; onClose: () => void; onMoved: () => void }) {
  const t = useWords();
  const me = useContext(Me);
  const loaded = useLoad((signal) => get("/api/pilothouse/vulnerabilities/{id}", { id }, signal), [id]);
  const of = loaded.data;
  return (
    <Dialog title={of === undefined ? t.pages.vulnerabilities : `${of.advisory}: ${of.package}`.slice(0, 120)} onClose={onClose}>
      {loaded.error === undefined ? null : <Problem error={loaded.error} again={loaded.again} />}
      {loaded.loading ? <Loading /> : null}
      {of === undefined ? null : (
        <div class="stack">
          <div class="row">
            <Status tone={TONE[of.severity] ?? "none"}>
              {t.vulnerabilities.severity[of.severity] ?? of.severity} {of.score.toFixed(1)}
            </Status>
            <b>{t.vulnerabilities.state[of.state] ?? of.state}</b>
            <Due of={of} at={Date.now() / 1000} />
            {of.exploited ? <Status tone="bad">{t.vulnerabilities.exploited}</Status> : null}
          </div>
          <p>
            <Foreign text={of.summary} max={400} />
          </p>
          {of.uncertain == null ? null : (
            <p>
              <Status tone="warn">{t.vulnerabilities.uncertain}</Status>: <Foreign text={of.uncertain} max={300} />
            </p>
          )}
          <dl class="fields">
            <Fields name={t.vulnerabilities.versions} values={of.versions} />
            <Fields name={t.vulnerabilities.fixedIn} values={of.fixed_in.length === 0 ? [t.vulnerabilities.noFix] : of.fixed_in} />
            <Fields name={t.vulnerabilities.places} values={of.places.slice(0, 8)} />
            <Fields name={t.vulnerabilities.exposure} values={[of.exposure == null ? t.vulnerabilities.notLooked : (t.vulnerabilities.level[of.exposure.level] ?? of.exposure.level)]} />
            {of.exposure == null || of.exposure.tools.length === 0 ? null : <Fields name={t.vulnerabilities.tools} values={of.exposure.tools.map((tool) => tool.tool)} />}
            {of.exposure == null ? null : <Fields name="" values={of.exposure.places.slice(0, 5).map((place) => `${place.file}:${place.line} ${place.text}`)} />}
            {of.proof == null ? null : <Fields name={t.vulnerabilities.proof} values={[`${whole(of.proof.at)}: ${of.proof.artefact}`]} />}
            <Fields name={t.vulnerabilities.references} values={of.references.slice(0, 4)} />
          </dl>
          {Object.keys(of.moves).length === 0 ? null : (
            <Move
              of={of}
              isAllowed={may(me, "operator")}
              onMoved={() => {
                loaded.again();
                onMoved();
              }}
            />
          )}
          {of.history.length === 0 ? null : (
            <div>
              <h3>{t.vulnerabilities.history}</h3>
              <ol class="lines">
                {of.history.map((entry, index) => (
                  <li key={index}>
                    <time title={whole(entry.at)}>{clock(entry.at)}</time>
                    <span>
                      {t.vulnerabilities.state[entry.to] ?? entry.to} · <Foreign text={entry.actor} max={60} /> <span class="muted"><Foreign text={entry.reason} max={300} /></span>
                    </span>
                  </li>
                ))}
              </ol>
            </div>
          )}
        </div>
      )}
    </Dialog>
  );
}

function Fields({ name, values }: { name: string; values: string[] }) {
  if (values.length === 0) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {values.map((value) => (
          <div key={value}>
            <Foreign text={value} max={300} />
          </div>
        ))}
      </dd>
    </div>
  );
}

/** A step of a case: what it needs is asked for; whether it is possible, the API says. */
function Move({ of, isAllowed, onMoved }: { of: Case; isAllowed: boolean; onMoved: () => void }) {
  const t = useWords();
  const moves = Object.entries(of.moves);
  const [what, setWhat] = useState(moves[0]?.[0] ?? "");
  const [reason, setReason] = useState("");
  const [until, setUntil] = useState("");
  const [justification, setJustification] = useState<string>(JUSTIFICATIONS[0]);
  const [wrong, setWrong] = useState<{ reason?: string; until?: string }>({});
  const [failed, setFailed] = useState<Error | undefined>();

  function send(): void {
    const day = Date.parse(`${until}T23:59:59`) / 1000;
    const days = (day - Date.now() / 1000) / DAY_S;
    const found: typeof wrong = {};
    if (reason.trim() === "") found.reason = t.vulnerabilities.reasonWrong;
    if (what === "accept" && !(days > 0 && days <= UNTIL_DAYS_MAX)) found.until = t.vulnerabilities.untilWrong;
    setWrong(found);
    setFailed(undefined);
    if (Object.keys(found).length > 0) return;
    const body: Record<string, unknown> = { move: what, reason: reason.trim() };
    if (what === "accept") body["until"] = Math.floor(day);
    if (what === "dismiss") body["justification"] = justification;
    post("/api/pilothouse/vulnerabilities/{id}", { id: of.id }, body).then(
      () => {
        setReason("");
        onMoved();
      },
      (error: unknown) => setFailed(error instanceof Error ? error : new Error(String(error))),
    );
  }

  return (
    <form
      class="stack move"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label>
        {t.vulnerabilities.move}
        <select value={what} onChange={(event) => setWhat(event.currentTarget.value)}>
          {moves.map(([move, to]) => (
            <option key={move} value={move}>
              {move} → {t.vulnerabilities.state[to] ?? to}
            </option>
          ))}
        </select>
      </label>
      {what === "accept" ? (
        <label>
          {t.vulnerabilities.until}
          <input type="date" value={until} aria-invalid={wrong.until !== undefined} aria-describedby="until-wrong" onInput={(event) => setUntil(event.currentTarget.value)} />
          <span id="until-wrong" class="wrong" role="alert">
            {wrong.until ?? ""}
          </span>
        </label>
      ) : null}
      {what === "dismiss" ? (
        <label>
          {t.vulnerabilities.justification}
          <select value={justification} onChange={(event) => setJustification(event.currentTarget.value)}>
            {JUSTIFICATIONS.map((one) => (
              <option key={one} value={one}>
                {one.replaceAll("_", " ")}
              </option>
            ))}
          </select>
        </label>
      ) : null}
      <label>
        {t.vulnerabilities.reason}
        <input value={reason} maxLength={1000} aria-invalid={wrong.reason !== undefined} aria-describedby="reason-wrong" onInput={(event) => setReason(event.currentTarget.value)} />
        <span id="reason-wrong" class="wrong" role="alert">
          {wrong.reason ?? ""}
        </span>
      </label>
      <Failed error={failed} max={600} />
      <div class="buttons">
        {isAllowed ? null : <span class="muted">{t.action.needs("operator")}</span>}
        <button type="submit" class="primary" disabled={!isAllowed}>
          {t.vulnerabilities.go}
        </button>
      </div>
    </form>
  );
}
