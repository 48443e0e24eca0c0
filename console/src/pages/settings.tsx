// Settings: the configuration as it stands on the disk, as it was refused last and as it runs; where records go;
// how Pilothouse itself is; who changed what.

import { useContext, useMemo, useState } from "preact/hooks";
import { get, Refused, type Schema } from "../api/client";
import { now, over } from "../api/prometheus";
import { diff, hunks, yaml } from "../diff";
import { bytes, clock, duration, number, percent, whole } from "../format";
import { useWords } from "../i18n";
import { useLoad } from "../load";
import { may, Me } from "../me";
import { adjust } from "../route";
import { useSpan } from "../span";
import { stepOf, windowOf, type Span } from "../time";
import { Chart, type Drawn } from "../ui/chart";
import { Empty, Foreign, Section, Status, type Tone } from "../ui/parts";
import { useRoute } from "../use-route";
import { Loadable } from "./overview";

type States = Schema["ConfigurationStates"];
const VIEWS = ["changes", "disk", "running", "filled", "rejected"] as const;
type View = (typeof VIEWS)[number];
const STEPS = ["all", "begun", "refused", "done", "failed"] as const;
const LIMIT = 50;
const LIMIT_MAX = 1000;
const CHART_PIXELS = 900;
const TEXT_MAX = 1 << 20;

export function Settings() {
  return (
    <>
      <Configuration />
      <div class="columns start">
        <Sinks />
        <Health />
      </div>
      <Audit />
    </>
  );
}

function Configuration() {
  const t = useWords();
  const route = useRoute();
  const states = useLoad((signal) => get("/api/pilothouse/configuration", {}, signal), [], ["events"]);
  const asked = VIEWS.find((view) => view === route.query.get("view"));
  return (
    <Section title={t.settings.configuration}>
      <Loadable of={states}>
        {(data) => {
          const views = VIEWS.filter((view) => isThere(view, data));
          const view = asked !== undefined && views.includes(asked) ? asked : (views[0] ?? "filled");
          return (
            <div class="stack">
              <State of={data} />
              <div class="actions-bar" role="group" aria-label={t.settings.view}>
                {views.map((one) => (
                  <button key={one} type="button" aria-pressed={one === view} onClick={() => adjust({ view: one }, "replace")}>
                    {t.settings.views[one]}
                  </button>
                ))}
              </div>
              <Shown view={view} of={data} />
            </div>
          );
        }}
      </Loadable>
    </Section>
  );
}

function isThere(view: View, of: States): boolean {
  switch (view) {
    case "changes":
    case "disk":
      return of.disk != null;
    case "running":
      return of.running.text != null;
    case "rejected":
      return of.rejected != null;
    default:
      return true;
  }
}

const TONE: Record<string, Tone> = { running: "good", waiting: "warn", refused: "bad", unreadable: "bad" };

/** How the three stand to each other, in a line, and since when. */
function State({ of }: { of: States }) {
  const t = useWords();
  const { disk, rejected, running } = of;
  return (
    <>
      <p class={`verdict ${disk == null ? "none" : (TONE[disk.verdict] ?? "none")}`}>
        <strong>
          <Status tone={disk == null ? "none" : (TONE[disk.verdict] ?? "none")}>{disk == null ? t.settings.noFile : (t.settings.verdict[disk.verdict] ?? disk.verdict)}</Status>
        </strong>
        {of.file == null ? null : (
          <span class="detail mono">
            <Foreign text={of.file} max={300} />
          </span>
        )}
      </p>
      {disk?.problems == null ? null : <Problems text={disk.problems} />}
      <dl class="facts">
        <Fact name={t.settings.runs} title={whole(running.since)}>
          {t.since(clock(running.since, true))}, {t.settings.causes[running.cause] ?? running.cause}
        </Fact>
        {disk?.changed_at == null ? null : (
          <Fact name={t.settings.fileChanged} title={whole(disk.changed_at)}>
            {clock(disk.changed_at, true)}
          </Fact>
        )}
        <Fact name={t.settings.lastRefused} title={rejected == null ? undefined : whole(rejected.at)}>
          {rejected == null ? t.none : `${clock(rejected.at, true)}, ${t.settings.causes[rejected.cause] ?? rejected.cause}${rejected.is_over ? ` (${t.settings.over})` : ""}`}
        </Fact>
        <Fact name={t.settings.fingerprint}>
          <span class="mono">{running.hash}</span>
        </Fact>
      </dl>
    </>
  );
}

function Fact({ name, title, children }: { name: string; title?: string | undefined; children: preact.ComponentChildren }) {
  return (
    <div title={title}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Problems({ text }: { text: string }) {
  const t = useWords();
  return (
    <pre class="text problems" tabIndex={0} aria-label={t.settings.problems}>
      <Foreign text={text} max={20_000} block />
    </pre>
  );
}

function Shown({ view, of }: { view: View; of: States }) {
  const t = useWords();
  const text = useMemo(() => {
    switch (view) {
      case "disk":
        return of.disk?.text;
      case "running":
        return of.running.text;
      case "rejected":
        return of.rejected?.text;
      case "filled":
        return yaml(of.running.filled).trimStart();
      default:
        return undefined;
    }
  }, [view, of]);
  if (view === "changes") return <Changes of={of} />;
  return (
    <>
      {view === "filled" ? <p class="muted">{t.settings.filledText}</p> : null}
      {view === "rejected" && of.rejected != null ? <Problems text={of.rejected.problems} /> : null}
      {text == null ? (
        <Empty>{t.settings.unreadable}</Empty>
      ) : (
        <pre class="text config" tabIndex={0} aria-label={t.settings.views[view]}>
          <Foreign text={text} max={TEXT_MAX} block />
        </pre>
      )}
    </>
  );
}

/** What would change if the file were taken up. */
function Changes({ of }: { of: States }) {
  const t = useWords();
  const [disk, running] = [of.disk?.text, of.running.text];
  const all = useMemo(() => (disk == null || running == null ? [] : hunks(diff(running, disk))), [disk, running]);
  if (disk == null || running == null) return <Empty>{t.settings.unreadable}</Empty>;
  if (!all.some((line) => line !== undefined)) return <Empty>{t.settings.same}</Empty>;
  return (
    <>
      <p class="muted">{t.settings.changesText}</p>
      <div class="text config diff-lines" tabIndex={0} role="region" aria-label={t.settings.views.changes}>
        {all.map((line, index) =>
          line === undefined ? (
            <div key={index} class="muted">
              ⋯
            </div>
          ) : line.how === "same" ? (
            <div key={index}>
              <span class="no">{line.at}</span>
              <span aria-hidden="true"> </span>
              <Foreign text={line.text} max={2000} />
            </div>
          ) : (
            <div key={index}>
              <span class="no">{line.at}</span>
              <span aria-hidden="true">{line.how === "gone" ? "−" : "+"}</span>
              {line.how === "gone" ? (
                <del>
                  <span class="hidden">{t.settings.gone}: </span>
                  <Foreign text={line.text} max={2000} />
                </del>
              ) : (
                <ins>
                  <span class="hidden">{t.settings.fresh}: </span>
                  <Foreign text={line.text} max={2000} />
                </ins>
              )}
            </div>
          ),
        )}
      </div>
    </>
  );
}

function Sinks() {
  const t = useWords();
  const sinks = useLoad((signal) => get("/api/pilothouse/sinks", {}, signal), [], ["numbers"]);
  return (
    <Section title={t.settings.sinks}>
      <Loadable of={sinks}>
        {(data) =>
          data.sinks.length === 0 ? (
            <>
              <Empty>{t.settings.noSinks}</Empty>
              <pre class="text" tabIndex={0} aria-label={t.settings.example}>
                {"sinks:\n  search:\n    elasticsearch:\n      url: https://search.example:9200\n      headers: {Authorization: file:/run/secrets/search}\n"}
              </pre>
            </>
          ) : (
            <div class="scroll" tabIndex={0} role="region" aria-label={t.settings.sinks}>
              <table>
                <thead>
                  <tr>
                    <th>{t.settings.sink}</th>
                    <th>{t.server.state}</th>
                    <th class="n">{t.settings.lag}</th>
                    <th class="n">{t.settings.delivered}</th>
                    <th class="n">{t.settings.refused}</th>
                    <th class="n">{t.settings.dropped}</th>
                    <th class="n">{t.settings.retries}</th>
                  </tr>
                </thead>
                <tbody>
                  {data.sinks.map((one) => (
                    <tr key={one.name}>
                      <td>
                        <Foreign text={one.name} max={64} /> <span class="muted">{one.kind}</span>
                      </td>
                      <td>{one.up ? <Status tone="good">{t.server.up}</Status> : <Status tone="bad">{t.settings.failing}</Status>}</td>
                      <td class={`n ${one.lag_seconds > 60 ? "hot" : ""}`}>
                        {one.lag_entries === 0 ? "0" : `${number(one.lag_entries)} · ${duration(one.lag_seconds)}`}
                      </td>
                      <td class="n">{number(one.delivered)}</td>
                      <td class={`n ${one.rejected > 0 ? "hot" : ""}`}>{number(one.rejected)}</td>
                      <td class={`n ${one.dropped > 0 ? "hot" : ""}`}>{number(one.dropped)}</td>
                      <td class="n">{number(one.retries)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Loadable>
    </Section>
  );
}

const OWN = 'job="mcp-server"';
/** Which of the own numbers are shown, and of what each is the sum. */
const NUMBERS = {
  memory: ["process_resident_memory_bytes"],
  files: ["process_open_fds"],
  storeBytes: ["pilothouse_store_bytes"],
  series: ["pilothouse_store_series"],
  diskFree: ["pilothouse_disk_free_bytes"],
  diskSize: ["pilothouse_disk_size_bytes"],
  failing: ["pilothouse_store_failing"],
  queued: ["pilothouse_record_queue_depth", "pilothouse_store_records_queued"],
  spans: ["pilothouse_spans_dropped_total"],
  records: ["pilothouse_records_dropped_total", "pilothouse_store_records_dropped_total"],
  samples: ["pilothouse_store_samples_dropped_total"],
  alerts: ["pilothouse_alerts_dropped_total"],
  rules: ["pilothouse_rule_evaluation_failures_total"],
  lost: ["pilothouse_call_drafts_lost_total"],
} as const;
type Own = Record<keyof typeof NUMBERS | "cpu", number | undefined>;

/** All in two questions: of the process those of our job, since others have such names, too. */
async function loadOwn(signal: AbortSignal): Promise<Own> {
  const names = Object.values(NUMBERS).flat();
  const of = (is: (name: string) => boolean) => names.filter(is).join("|");
  const isProcess = (name: string) => name.startsWith("process_");
  const all = `sum by (__name__) ({__name__=~"${of(isProcess)}",${OWN}} or {__name__=~"${of((name) => !isProcess(name))}"})`;
  const [values, cpu] = await Promise.all([now(all, signal), now(`rate(process_cpu_seconds_total{${OWN}}[1m])`, signal)]);
  const sum = (parts: readonly string[]) => {
    const found = values.filter((one) => parts.includes(one.labels["__name__"] ?? ""));
    return found.length === 0 ? undefined : found.reduce((total, one) => total + one.value, 0);
  };
  const numbers = Object.entries(NUMBERS).map(([name, parts]) => [name, sum(parts)]);
  return { ...(Object.fromEntries(numbers) as Omit<Own, "cpu">), cpu: cpu[0]?.value };
}

async function loadLines(span: Span, signal: AbortSignal): Promise<{ span: Span; memory: Drawn[]; cpu: Drawn[] }> {
  const window = windowOf(stepOf(span, CHART_PIXELS));
  const [memory, cpu] = await Promise.all([
    over(`process_resident_memory_bytes{${OWN}}`, span, CHART_PIXELS, signal),
    over(`rate(process_cpu_seconds_total{${OWN}}[${window}])`, span, CHART_PIXELS, signal),
  ]);
  const drawn = (lines: typeof memory, label: string): Drawn[] => lines.slice(0, 1).map((line) => ({ label, times: line.times, values: line.values }));
  return { span, memory: drawn(memory, "RSS"), cpu: drawn(cpu, "CPU") };
}

function Health() {
  const t = useWords();
  const { span, key } = useSpan();
  const own = useLoad(loadOwn, [], ["numbers"]);
  const lines = useLoad((signal) => loadLines(span(), signal), [key], ["numbers"]);
  return (
    <Section title={t.settings.health}>
      <Loadable of={own}>
        {(data) => {
          const lost = [data.records, data.samples, data.alerts, data.spans, data.lost].some((value) => (value ?? 0) > 0);
          return (
            <div class="stack">
              <p>
                {data.failing === 1 ? (
                  <Status tone="bad">{t.settings.storeFails}</Status>
                ) : lost ? (
                  <Status tone="warn">{t.settings.someLost}</Status>
                ) : (
                  <Status tone="good">{t.settings.nothingLost}</Status>
                )}
              </p>
              <dl class="facts">
                <Fact name={t.server.memory}>{bytes(data.memory)}</Fact>
                <Fact name={t.server.cpu}>{data.cpu === undefined ? "–" : percent(data.cpu * 100, 1)}</Fact>
                <Fact name={t.server.files}>{number(data.files)}</Fact>
                <Fact name={t.settings.store}>
                  {bytes(data.storeBytes)} · {t.settings.seriesOf(number(data.series))}
                </Fact>
                <Fact name={t.settings.disk}>{data.diskFree === undefined ? "–" : t.settings.diskOf(bytes(data.diskFree), bytes(data.diskSize))}</Fact>
                <Fact name={t.settings.queued}>{number(data.queued)}</Fact>
              </dl>
              <dl class="facts">
                <Fact name={t.settings.lostRecords}>{number(data.records ?? 0)}</Fact>
                <Fact name={t.settings.lostSamples}>{number(data.samples ?? 0)}</Fact>
                <Fact name={t.settings.lostSpans}>{number(data.spans ?? 0)}</Fact>
                <Fact name={t.settings.lostAlerts}>{number(data.alerts ?? 0)}</Fact>
                <Fact name={t.settings.failedRules}>{number(data.rules ?? 0)}</Fact>
              </dl>
            </div>
          );
        }}
      </Loadable>
      <Loadable of={lines}>
        {(data) => (
          <>
            <Chart title={t.server.memory} span={data.span} series={data.memory} format={bytes} height={110} />
            <Chart title={t.server.cpu} span={data.span} series={data.cpu} format={(value) => percent(value * 100, 1)} height={110} />
          </>
        )}
      </Loadable>
    </Section>
  );
}

const STEP_TONE: Record<string, Tone> = { done: "good", refused: "warn", failed: "bad" };

function Audit() {
  const t = useWords();
  const me = useContext(Me);
  const isAllowed = may(me, "operator");
  return <Section title={t.settings.audit}>{isAllowed ? <Entries /> : <Empty>{t.settings.auditNeeds("operator")}</Empty>}</Section>;
}

function Entries() {
  const t = useWords();
  const route = useRoute();
  const text = route.query.get("audit") ?? "";
  const step = STEPS.find((known) => known === route.query.get("step")) ?? "all";
  const [limit, setLimit] = useState(LIMIT);
  const [typed, setTyped] = useState(text);
  const page = useLoad((signal) => get("/api/pilothouse/audit", { text, step, limit }, signal), [text, step, limit], ["events"]);
  const wrong = page.error instanceof Refused && page.error.field !== undefined ? page.error.message : undefined;
  return (
    <div class="stack">
      <form
        class="row filter"
        role="search"
        aria-label={t.settings.audit}
        onSubmit={(event) => {
          event.preventDefault();
          setLimit(LIMIT);
          adjust({ audit: typed.trim() }, "replace");
        }}
      >
        <label>
          {t.settings.filter}
          <input value={typed} maxLength={200} placeholder="silence.set" aria-describedby="audit-wrong" onInput={(event) => setTyped(event.currentTarget.value)} />
        </label>
        <label>
          {t.settings.step}
          <select value={step} onChange={(event) => adjust({ step: event.currentTarget.value === "all" ? undefined : event.currentTarget.value }, "replace")}>
            {STEPS.map((one) => (
              <option key={one} value={one}>
                {t.settings.steps[one]}
              </option>
            ))}
          </select>
        </label>
        <button type="submit">{t.settings.find}</button>
        <span id="audit-wrong" class="wrong" role="alert">
          {wrong ?? ""}
        </span>
      </form>
      <Loadable of={page}>
        {(data) =>
          data.entries.length === 0 ? (
            <Empty>{t.settings.noEntries}</Empty>
          ) : (
            <>
              <ul class="audit rows">
                {data.entries.map((entry, index) => (
                  <Entry key={`${entry.ts}${entry.id}${entry.step}${index}`} of={entry} />
                ))}
              </ul>
              {data.complete ? null : limit >= LIMIT_MAX ? (
                <p class="muted">{t.settings.narrow}</p>
              ) : (
                <button type="button" onClick={() => setLimit(Math.min(limit * 4, LIMIT_MAX))}>
                  {t.calls.more}
                </button>
              )}
            </>
          )
        }
      </Loadable>
    </div>
  );
}

function Entry({ of }: { of: Schema["AuditEntry"] }) {
  const t = useWords();
  const at = Date.parse(of.ts) / 1000;
  const fields = Object.entries(of.more as Record<string, unknown>);
  const about = of.more as Record<string, unknown>;
  return (
    <li>
      <details>
        <summary>
          <time title={whole(at)}>{clock(at, true)}</time>
          <Status tone={STEP_TONE[of.step] ?? "none"}>{t.settings.steps[of.step] ?? of.step}</Status>
          <b>
            <Foreign text={of.action} max={60} />
          </b>
          <Foreign text={of.actor} max={80} />
          <span class="muted text">
            <Foreign text={about["target"] ?? about["cause"] ?? ""} max={200} />
          </span>
        </summary>
        <dl class="fields mono">
          {fields.map(([name, value]) => (
            <div key={name}>
              <dt>
                <Foreign text={name} max={40} />
              </dt>
              <dd>
                <Foreign text={value} max={5000} block />
              </dd>
            </div>
          ))}
        </dl>
      </details>
    </li>
  );
}
