// What is broken, since when, for whom, and what to do: the first page, to be read in ten seconds.

import { useMemo } from "preact/hooks";
import { get, type Schema } from "../api/client";
import { useLive, type Server } from "../api/live";
import { alerts as loadAlerts, now, over, type ActiveAlert, type Line, type Vector } from "../api/prometheus";
import { marks as marksOf, type Change } from "../changes";
import { bytes, clock, duration, number, percent, whole } from "../format";
import { useWords } from "../i18n";
import { useLoad, type Loaded } from "../load";
import { adjust, href } from "../route";
import { useSpan } from "../span";
import { useChanges } from "../use-changes";
import { stepOf, windowOf, type Span } from "../time";
import { Alert } from "../ui/alert";
import { Chart, Spark, type Drawn } from "../ui/chart";
import { Empty, Foreign, Link, Loading, Problem, Section, Status, type Tone } from "../ui/parts";
import { Silencing, useSilences } from "../ui/silence";

const WEEK_S = 7 * 86400;
/** Pixels that a chart of this page has, roughly: half a screen, without its axis. */
const CHART_PIXELS = 560;

type Slo = Schema["SloRow"];

interface Numbers {
  rate: Vector[];
  p95: Vector[];
  failed: Vector[];
  cpu: Vector[];
  memory: Vector[];
  spark: Line[];
}

export function Overview() {
  const t = useWords();
  const live = useLive();
  const { span, key } = useSpan();
  const slos = useLoad((signal) => get("/api/pilothouse/slos", {}, signal), [], ["numbers"]);
  const alerts = useLoad((signal) => loadAlerts(signal), [], ["alerts"]);
  const silences = useSilences();
  const numbers = useLoad(loadNumbers, [], ["numbers"]);
  const changes = useChanges();
  const traffic = useLoad((signal) => loadTraffic(span(), signal), [key], ["numbers"]);
  const marks = useMemo(() => marksOf(changes.data ?? [], t), [changes.data, t]);
  const zoom = (from: number, to: number) => adjust({ from: String(from), to: String(to), range: undefined });
  const firing = (alerts.data ?? []).filter((alert) => alert.state === "firing").sort(byWeight);
  const pending = (alerts.data ?? []).filter((alert) => alert.state === "pending");
  return (
    <>
      <Verdict slos={slos.data?.slos} firing={firing} servers={live.servers} known={alerts.data !== undefined} />
      <Section title={t.overview.objectives}>
        <Slos slos={slos} />
      </Section>
      <Section title={t.overview.alerts} more={pending.length > 0 ? <span class="muted">{t.overview.pending(pending.length)}</span> : null}>
        {alerts.error !== undefined ? <Problem error={alerts.error} again={alerts.again} /> : null}
        {alerts.loading ? <Loading /> : null}
        {alerts.data !== undefined && firing.length === 0 ? <Empty>{t.overview.noAlerts}</Empty> : null}
        <ul class="alerts rows">
          {firing.map((alert, index) => (
            <Alert key={JSON.stringify(alert.labels)} alert={alert} named={index < NAMED_MAX}>
              <Silencing alert={alert} silences={silences} />
            </Alert>
          ))}
        </ul>
      </Section>
      <Section title={t.overview.servers}>
        <Tiles servers={live.servers} numbers={numbers} />
      </Section>
      <div class="columns">
        <Section title={t.overview.traffic} more={<Normal traffic={traffic.data} />}>
          <Loadable of={traffic}>
            {(lines) => <Chart title={t.overview.traffic} span={lines.span} series={lines.rate} marks={marks} format={number} onZoom={zoom} />}
          </Loadable>
        </Section>
        <Section title={t.overview.latency} more={<Link to={href("calls", { query: "kind=call", order: "slowest" })}>{t.calls.slowest}</Link>}>
          <Loadable of={traffic}>
            {(lines) => <Chart title={t.overview.latency} span={lines.span} series={lines.p95} marks={marks} format={duration} onZoom={zoom} />}
          </Loadable>
        </Section>
        <Section title={t.overview.errors} more={<Link to={href("calls", { query: "kind=call status>=500" })}>{t.overview.whose}</Link>}>
          <Loadable of={traffic}>
            {(lines) => <Chart title={t.overview.errors} span={lines.span} series={lines.failed} marks={marks} format={number} onZoom={zoom} />}
          </Loadable>
        </Section>
        <Section title={t.overview.changes}>
          <Loadable of={changes}>{(list) => <Changes list={list} />}</Loadable>
        </Section>
      </div>
    </>
  );
}

/** What was loaded, or that it is being loaded, or why it was not. */
export function Loadable<T>({ of, children }: { of: Loaded<T>; children: (data: T) => preact.ComponentChildren }) {
  if (of.data !== undefined) return <>{children(of.data)}</>;
  return of.error === undefined ? <Loading /> : <Problem error={of.error} again={of.again} />;
}

/** Alerts of which it is asked whose calls they are about: each costs a search. */
export const NAMED_MAX = 3;
const WEIGHT = ["critical", "warning", "info"];
export function byWeight(a: ActiveAlert, b: ActiveAlert): number {
  const weight = (alert: ActiveAlert) => (WEIGHT.indexOf(alert.labels["severity"] ?? "") + WEIGHT.length) % WEIGHT.length;
  return weight(a) - weight(b) || a.activeAt.localeCompare(b.activeAt);
}

/** The one line at the top. */
function Verdict(props: { slos: Slo[] | undefined; firing: ActiveAlert[]; servers: Server[] | undefined; known: boolean }) {
  const t = useWords();
  const down = (props.servers ?? []).filter((server) => server.up === false);
  const violated = (props.slos ?? []).filter((slo) => slo.verdict === "violated");
  const blind = (props.slos ?? []).some((slo) => slo.verdict === "insufficient_data") || (props.servers ?? []).some((s) => s.up === undefined);
  const said: string[] = [];
  if (props.firing.length > 0) said.push(t.overview.firing(props.firing.length));
  if (down.length > 0) said.push(t.overview.down(down.length));
  if (violated.length > 0) said.push(t.overview.violated(violated.length));
  if (!props.known || props.slos === undefined || props.servers === undefined) return <div class="verdict none" role="status" aria-busy="true" />;
  const critical = props.firing.some((alert) => alert.labels["severity"] === "critical") || down.length > 0;
  const tone: Tone = said.length > 0 ? (critical ? "bad" : "warn") : blind ? "none" : "good";
  const first = props.firing[0];
  return (
    <div class={`verdict ${tone}`} role="status">
      <Status tone={tone}>
        <strong>{said.length > 0 ? said.join(" · ") : blind ? t.overview.unknown : t.overview.quiet}</strong>
      </Status>
      <span class="detail">
        {said.length === 0 ? (
          blind ? (
            t.overview.unknownText
          ) : (
            t.overview.quietText
          )
        ) : (
          <>
            {first === undefined ? null : (
              <>
                <Foreign text={first.labels["alertname"]} /> {first.labels["server"] === undefined ? null : <Foreign text={first.labels["server"]} />}{" "}
                {t.since(clock(Date.parse(first.activeAt) / 1000))}
              </>
            )}
            {first === undefined ? down.map((server) => <Foreign key={server.name} text={server.name} />) : null}
          </>
        )}
      </span>
    </div>
  );
}

/** Of the times over which a burn rate is known, those that are shown. */
const BURNS_SHOWN = ["1h", "6h", "3d"];
const VERDICT: Record<Slo["verdict"], Tone> = { met: "good", at_risk: "warn", violated: "bad", insufficient_data: "none" };

function Slos({ slos }: { slos: Loaded<{ slos: Slo[] }> }) {
  const t = useWords();
  return (
    <Loadable of={slos}>
      {(data) =>
        data.slos.length === 0 ? (
          <Empty>{t.overview.noObjectives}</Empty>
        ) : (
          <ul class="slos">
            {data.slos.map((slo) => (
              <Objective key={slo.name} slo={slo} />
            ))}
          </ul>
        )
      }
    </Loadable>
  );
}

export function Objective({ slo }: { slo: Slo }) {
  const t = useWords();
  const left = slo.budget.left_percent;
  const isOverspent = left !== null && left !== undefined && left < 0;
  // A bar of what is left; of more than all that there was, a full one.
  const shown = left === null || left === undefined ? undefined : isOverspent ? 100 : Math.min(100, left);
  const burns = slo.burn.filter((burn) => BURNS_SHOWN.includes(burn.window));
  const tone = VERDICT[slo.verdict];
  const isTime = slo.objective === "availability";
  return (
    <li class={`slo ${tone}`}>
      <div class="head">
        <span class="name">
          <Foreign text={slo.name} />
        </span>
        <Status tone={tone}>{t.slo.verdict[slo.verdict] ?? slo.verdict}</Status>
      </div>
      <div class="value">
        <b>{percent(slo.good_percent, 3)}</b> <span class="muted">{t.slo.target(percent(slo.target_percent, 3))}</span>
      </div>
      <div class="bar" role="img" aria-label={`${t.slo.left}: ${percent(left, 1)}`}>
        {shown === undefined ? null : <span class={tone} style={{ width: `${shown}%` }} />}
      </div>
      <div class="budget">
        <span>
          {isOverspent ? t.slo.overspent : t.slo.left} <b>{isOverspent ? percent(-left, 0) : percent(left, 1)}</b>
        </span>
        <span class="muted">
          {isOverspent || slo.good_percent == null ? "" : isTime ? (slo.budget.left_minutes == null ? "" : duration(slo.budget.left_minutes * 60)) : t.slo.events(number(slo.budget.left_events))}
        </span>
      </div>
      <div class="burn">
        <span class="muted">{t.slo.burn}</span>
        {(burns.length > 0 ? burns : slo.burn.slice(0, 3)).map((burn) => (
          <span key={burn.window} class={burn.rate != null && burn.rate > 1 ? "fast" : ""}>
            <span class="muted">{burn.window}</span> {burn.rate == null ? "–" : `${number(burn.rate)}×`}
          </span>
        ))}
      </div>
      {slo.exhausted_at_ms == null || isOverspent ? null : <div class="exhausted">{t.slo.exhausted(clock(slo.exhausted_at_ms / 1000))}</div>}
      {slo.verdict === "met" ? null : (
        <div class="muted reason">
          <Foreign text={(slo.why == null ? undefined : t.slo.why[slo.why]?.(slo)) ?? slo.reason} />
        </div>
      )}
    </li>
  );
}

async function loadNumbers(signal: AbortSignal): Promise<Numbers> {
  const to = Math.floor(Date.now() / 1000);
  const [rate, p95, failed, cpu, memory, spark] = await Promise.all([
    now("sum by (server) (rate(mcp_requests_total[1m]))", signal),
    now("histogram_quantile(0.95, sum by (server, le) (rate(mcp_response_duration_seconds_bucket[5m])))", signal),
    now('100 * sum by (server) (rate(mcp_requests_total{status=~"5.."}[5m])) / sum by (server) (rate(mcp_requests_total[5m]))', signal),
    now("sum by (server) (rate(mcp_server_cpu_seconds_total[1m]))", signal),
    now("sum by (server) (mcp_server_resident_memory_bytes)", signal),
    over("sum by (server) (rate(mcp_requests_total[1m]))", { from: to - 3600, to, range: "1h" }, 160, signal),
  ]);
  return { rate, p95, failed, cpu, memory, spark };
}

function of(vector: Vector[] | undefined, server: string): number | undefined {
  return vector?.find((one) => one.labels["server"] === server)?.value;
}

export function toneOf(server: Server): Tone {
  if (server.up === undefined) return "none";
  if (!server.up) return "bad";
  const lacks = server.replicas.filter((one) => one.state === "ready").length < (server.wanted ?? 0);
  return server.drained || lacks ? "warn" : "good";
}

export function stateOf(server: Server, t: ReturnType<typeof useWords>): string {
  if (server.drained) return t.server.drained;
  return server.up === undefined ? t.server.unknown : server.up ? t.server.up : t.server.down;
}

function Tiles({ servers, numbers }: { servers: Server[] | undefined; numbers: Loaded<Numbers> }) {
  const t = useWords();
  if (servers === undefined) return <Loading />;
  if (servers.length === 0) return <Empty>{t.overview.noServers}</Empty>;
  const data = numbers.data;
  return (
    <ul class="tiles rows">
      {servers.map((server) => {
        const failed = of(data?.failed, server.name) ?? (of(data?.rate, server.name) === undefined ? undefined : 0);
        return (
          <li key={server.name} class={`tile ${toneOf(server)}`}>
            <Link to={href("server", { name: server.name })} class="cover">
              <span class="head">
                <span class="name">
                  <Foreign text={server.name} max={64} />
                </span>
                <Status tone={toneOf(server)}>{stateOf(server, t)}</Status>
              </span>
              <Spark values={data?.spark.find((one) => one.labels["server"] === server.name)?.values ?? []} title={t.overview.traffic} />
              <dl>
                <Fact name={t.server.rate} value={number(of(data?.rate, server.name))} />
                <Fact name={t.server.p95} value={duration(of(data?.p95, server.name))} />
                <Fact name={t.server.failed} value={percent(failed, 1)} bad={failed !== undefined && failed >= 1} />
                <Fact name={t.server.cpu} value={number(of(data?.cpu, server.name))} />
                <Fact name={t.server.memory} value={bytes(of(data?.memory, server.name))} />
                <Fact name={t.server.children} value={server.transport === "stdio" ? String(server.children) : "–"} />
              </dl>
            </Link>
          </li>
        );
      })}
    </ul>
  );
}

export function Fact({ name, value, bad }: { name: string; value: string; bad?: boolean }) {
  return (
    <div class={bad === true ? "bad" : ""}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

interface Traffic {
  span: Span;
  rate: Drawn[];
  p95: Drawn[];
  failed: Drawn[];
  /** Calls of the last minutes over those of the same minutes of last week. */
  normal: number | undefined;
}

async function loadTraffic(span: Span, signal: AbortSignal): Promise<Traffic> {
  const window = windowOf(stepOf(span, CHART_PIXELS));
  const total = `sum(rate(mcp_requests_total[${window}]))`;
  const [rate, before, p95, failed, ratio] = await Promise.all([
    over(total, span, CHART_PIXELS, signal),
    over(`sum(rate(mcp_requests_total[${window}] offset ${WEEK_S}s))`, span, CHART_PIXELS, signal),
    over(`histogram_quantile(0.95, sum by (server, le) (rate(mcp_response_duration_seconds_bucket[${window}])))`, span, CHART_PIXELS, signal),
    over(`sum by (server, status) (rate(mcp_requests_total{status=~"5.."}[${window}])) > 0`, span, CHART_PIXELS, signal),
    now(`sum(rate(mcp_requests_total[15m])) / sum(rate(mcp_requests_total[15m] offset ${WEEK_S}s))`, signal, span.to),
  ]);
  const t = { now: "calls/s" };
  return {
    span,
    rate: [
      ...rate.map((one) => ({ label: t.now, times: one.times, values: one.values, color: "--line-1" })),
      ...before.map((one) => ({ label: "−7 d", times: one.times, values: one.values, before: true })),
    ],
    p95: p95.slice(0, 12).map((one) => ({ label: one.labels["server"] ?? "", times: one.times, values: one.values })),
    failed: failed.slice(0, 12).map((one) => ({ label: `${one.labels["server"] ?? ""} ${one.labels["status"] ?? ""}`, times: one.times, values: one.values })),
    normal: ratio[0]?.value,
  };
}

function Normal({ traffic }: { traffic: Traffic | undefined }) {
  const t = useWords();
  if (traffic === undefined) return null;
  const { normal } = traffic;
  const isOdd = normal !== undefined && (normal >= 2 || normal <= 0.5);
  return (
    <span class={isOdd ? "odd" : "muted"}>
      {normal === undefined || !Number.isFinite(normal) ? t.overview.noLastWeek : t.overview.normal(number(normal))}
    </span>
  );
}

const CHANGES_SHOWN = 12;

export function Changes({ list, max = CHANGES_SHOWN }: { list: Change[]; max?: number }) {
  const t = useWords();
  if (list.length === 0) return <Empty>{t.overview.noChanges}</Empty>;
  return (
    <ul class="changes rows">
      {list.slice(0, max).map((change) => (
        <li key={`${change.at}${change.text}`}>
          <time dateTime={new Date(change.at * 1000).toISOString()} title={whole(change.at)}>
            {clock(change.at, true)}
          </time>
          <Status tone={change.bad ? "bad" : "none"}>{t.changesOf[change.kind] ?? change.kind}</Status>
          {change.server === undefined ? null : (
            <Link to={href("server", { name: change.server })}>
              <Foreign text={change.server} max={64} />
            </Link>
          )}
          <span class="muted text">
            <Foreign text={change.text} max={160} />
          </span>
        </li>
      ))}
    </ul>
  );
}
