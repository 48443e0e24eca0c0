// One server: how its tools do, what runs for it, what happened to it, and what can be done with it.

import { useContext, useMemo } from "preact/hooks";
import { get, type Schema } from "../api/client";
import { useLive, type Server } from "../api/live";
import { now, over, quoted, type Line, type Vector } from "../api/prometheus";
import { heatOf, type Heat } from "../heat";
import { marks as marksOf, quoted as inQuery } from "../changes";
import { bytes, clock, duration, number, percent } from "../format";
import { useWords } from "../i18n";
import { useLoad, type Loaded } from "../load";
import { adjust, href } from "../route";
import { useSpan } from "../span";
import { line } from "../text";
import { stepOf, windowOf, within, type Span } from "../time";
import { Actions } from "../ui/actions";
import { Chart, type Drawn } from "../ui/chart";
import { Definitions } from "../ui/definitions";
import { COLUMN_PX, HeatMap } from "../ui/heat";
import { Empty, Foreign, Link, Loading, Section, Status, type Tone } from "../ui/parts";
import { Replacement } from "../ui/replace";
import { may, Me } from "../me";
import { useChanges } from "../use-changes";
import { useRoute } from "../use-route";
import { Changes, Fact, Loadable, stateOf, toneOf } from "./overview";

/** Pixels that a chart of this page has, roughly: half a screen, without its axis. */
const CHART_PIXELS = 560;
/** Pixels of the heat map, which has the whole width, at most. */
const HEAT_PIXELS = 1800;
/** Tools that have a line of their own. */
const TOOLS_DRAWN = 8;
const LINES_SHOWN = 50;
/** What `increase` needs to see two samples of, at the usual interval. */
const SAMPLES_S = 30;

interface ToolRow {
  tool: string;
  calls: number;
  toolErrors: number;
  failures: number;
  p50: number | undefined;
  p95: number | undefined;
  p99: number | undefined;
}

export function ServerPage() {
  const t = useWords();
  const live = useLive();
  const route = useRoute();
  const name = route.query.get("name") ?? live.servers?.[0]?.name;
  const server = live.servers?.find((one) => one.name === name);
  if (name === undefined || live.servers === undefined) return <Loading />;
  return (
    <>
      <div class="title">
        <h1>
          <Foreign text={name} max={64} />
        </h1>
        {server === undefined ? null : (
          <>
            <Status tone={toneOf(server)}>{stateOf(server, t)}</Status>
            <span class="muted">
              {[server.transport, server.era].filter(Boolean).join(", ")}
            </span>
          </>
        )}
        <label class="choose">
          <span class="hidden">{t.server.choose}</span>
          <select value={name} onChange={(event) => adjust({ name: event.currentTarget.value })}>
            {server === undefined ? <option value={name}>–</option> : null}
            {live.servers.map((one) => (
              <option key={one.name} value={one.name}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
      </div>
      {server === undefined ? <Empty>{t.server.notFound(line(name, 64))}</Empty> : <Known key={name} server={server} />}
    </>
  );
}

function Known({ server }: { server: Server }) {
  const t = useWords();
  const { span, key } = useSpan();
  const me = useContext(Me);
  const { name } = server;
  const heat = useLoad((signal) => loadHeat(name, span(), signal), [name, key], ["numbers"]);
  const tools = useLoad((signal) => loadTools(name, span(), signal), [name, key], ["numbers"]);
  const lines = useLoad((signal) => loadLines(name, span(), signal), [name, key], ["numbers"]);
  const changes = useChanges(name);
  const marks = useMemo(() => marksOf(changes.data ?? [], t), [changes.data, t]);
  const zoom = (from: number, to: number) => adjust({ from: String(from), to: String(to), range: undefined });
  return (
    <>
      <Actions server={server} />
      <Replacement server={server} isAllowed={may(me, "operator")} />
      <div class="columns">
        <Section title={t.server.byTool}>
          <Loadable of={lines}>
            {(data) => <Chart title={t.server.byTool} span={data.span} series={data.rate} marks={marks} format={number} onZoom={zoom} />}
          </Loadable>
        </Section>
        <Section title={t.server.p95ByTool}>
          <Loadable of={lines}>
            {(data) => <Chart title={t.server.p95ByTool} span={data.span} series={data.p95} marks={marks} format={duration} onZoom={zoom} />}
          </Loadable>
        </Section>
      </div>
      <Section title={t.heat.title}>
        <Loadable of={heat}>
          {(data) =>
            data.heat.times.length === 0 ? (
              <Empty>{t.server.noCalls}</Empty>
            ) : (
              <HeatMap
                title={t.heat.title}
                span={data.span}
                heat={data.heat}
                marks={marks}
                linkTo={(from, to, above, upTo) => href("calls", { query: took(name, above, upTo), order: "slowest", from: String(Math.floor(from)), to: String(Math.ceil(to)) })}
              />
            )
          }
        </Loadable>
      </Section>
      <Section title={t.server.tools}>
        <Loadable of={tools}>{(rows) => <Tools server={name} rows={rows} />}</Loadable>
      </Section>
      <Section title={t.server.replicas}>
        <Replicas server={server} />
      </Section>
      <div class="columns">
        <Section title={t.server.history} more={<Loadable of={lines}>{(data) => <Healthy lines={data} />}</Loadable>}>
          <Loadable of={lines}>
            {(data) => <Chart title={t.server.history} span={data.span} series={data.up} marks={marks} format={(value) => (value >= 1 ? t.server.up : value <= 0 ? t.server.down : "")} height={90} />}
          </Loadable>
        </Section>
        <Section title={t.server.events}>
          <Loadable of={changes}>{(list) => <Changes list={list} />}</Loadable>
        </Section>
      </div>
      <Definitions server={name} />
      <Stderr server={name} span={span} rangeKey={key} />
    </>
  );
}

async function loadTools(server: string, span: Span, signal: AbortSignal): Promise<ToolRow[]> {
  const of = `server=${quoted(server)}`;
  const range = `${Math.max(60, span.to - span.from)}s`;
  const quantile = (q: number) => now(`histogram_quantile(${q}, sum by (tool, le) (increase(mcp_response_duration_seconds_bucket{${of},method="tools/call"}[${range}])))`, signal, span.to);
  const [calls, p50, p95, p99] = await Promise.all([
    now(`sum by (tool, outcome) (increase(mcp_tool_calls_total{${of}}[${range}]))`, signal, span.to),
    quantile(0.5),
    quantile(0.95),
    quantile(0.99),
  ]);
  const at = (vector: Vector[], tool: string) => vector.find((one) => one.labels["tool"] === tool)?.value;
  const rows = new Map<string, ToolRow>();
  for (const { labels, value } of calls) {
    const tool = labels["tool"] ?? "";
    const row = rows.get(tool) ?? { tool, calls: 0, toolErrors: 0, failures: 0, p50: at(p50, tool), p95: at(p95, tool), p99: at(p99, tool) };
    row.calls += value;
    if (labels["outcome"] === "tool_error") row.toolErrors += value;
    if (["protocol_error", "timeout", "unavailable"].includes(labels["outcome"] ?? "")) row.failures += value;
    rows.set(tool, row);
  }
  return [...rows.values()].filter((row) => row.calls > 0).sort((a, b) => b.calls - a.calls);
}

async function loadHeat(server: string, span: Span, signal: AbortSignal): Promise<{ span: Span; heat: Heat }> {
  const columns = Math.floor(Math.min(window.innerWidth, HEAT_PIXELS) / COLUMN_PX);
  // `over` takes half of the pixels for points; here a column is a point.
  const step = Math.max(SAMPLES_S, stepOf(span, columns * 2));
  const calls = `sum by (le) (increase(mcp_response_duration_seconds_bucket{server=${quoted(server)},method="tools/call"}[${step}s]))`;
  // The newest column is not over yet.
  const lines = await over(calls, span.range === undefined ? span : { ...span, to: span.to + step }, columns * 2, signal, { step, exact: true });
  return { span, heat: heatOf(lines, step, columns) };
}

/** The calls of one cell. */
function took(server: string, above: number, upTo: number): string {
  const ms = (s: number) => `${Number((s * 1000).toPrecision(6))}ms`;
  return [`server=${inQuery(server)} method=tools/call`, above > 0 ? `duration>${ms(above)}` : "", upTo === Infinity ? "" : `duration<=${ms(upTo)}`].filter((part) => part !== "").join(" ");
}

interface Lines {
  span: Span;
  rate: Drawn[];
  p95: Drawn[];
  up: Drawn[];
}

async function loadLines(server: string, span: Span, signal: AbortSignal): Promise<Lines> {
  const of = `server=${quoted(server)}`;
  const window = windowOf(stepOf(span, CHART_PIXELS));
  const [rate, p95, up] = await Promise.all([
    over(`sum by (tool) (rate(mcp_tool_calls_total{${of}}[${window}]))`, span, CHART_PIXELS, signal),
    over(`histogram_quantile(0.95, sum by (tool, le) (rate(mcp_response_duration_seconds_bucket{${of},method="tools/call"}[${window}])))`, span, CHART_PIXELS, signal),
    over(`min(mcp_server_up{${of}})`, span, CHART_PIXELS, signal),
  ]);
  const byTool = (list: Line[]): Drawn[] =>
    list
      .map((one) => ({ label: one.labels["tool"] ?? "", times: one.times, values: one.values }))
      .filter((one) => one.values.some((value) => value > 0))
      .sort((a, b) => a.label.localeCompare(b.label))
      .slice(0, TOOLS_DRAWN);
  return {
    span,
    rate: byTool(rate),
    p95: byTool(p95),
    up: up.map((one) => ({ label: "up", times: one.times, values: one.values, color: "--good" })),
  };
}

function Healthy({ lines }: { lines: Lines }) {
  const t = useWords();
  const values = lines.up[0]?.values ?? [];
  if (values.length === 0) return null;
  const share = (values.filter((value) => value >= 1).length / values.length) * 100;
  return <span class="muted">{t.server.healthy(percent(share, 1))}</span>;
}

function Tools({ server, rows }: { server: string; rows: ToolRow[] }) {
  const t = useWords();
  if (rows.length === 0) return <Empty>{t.server.noCalls}</Empty>;
  const share = (part: number, whole: number) => (whole > 0 ? (part / whole) * 100 : 0);
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t.server.tools}>
      <table>
        <thead>
          <tr>
            <th>{t.server.tool}</th>
            <th class="n">{t.server.callsShort}</th>
            <th class="n">{t.server.failures}</th>
            <th class="n">{t.server.toolErrors}</th>
            <th class="n">{t.server.p50}</th>
            <th class="n">{t.server.p95}</th>
            <th class="n">{t.server.p99}</th>
          </tr>
        </thead>
        <tbody class="rows">
          {rows.map((row) => (
            <tr key={row.tool}>
              <td>
                <Link to={href("calls", { query: `server=${inQuery(server)} ${row.tool === "other" ? "kind=call" : `tool=${inQuery(row.tool)}`}`, order: "slowest" })}>
                  <Foreign text={row.tool} max={64} />
                </Link>
              </td>
              <td class="n">{number(Math.round(row.calls))}</td>
              <td class={`n ${share(row.failures, row.calls) >= 1 ? "hot" : ""}`}>{percent(share(row.failures, row.calls), 1)}</td>
              <td class={`n ${share(row.toolErrors, row.calls) >= 20 ? "hot" : ""}`}>{percent(share(row.toolErrors, row.calls), 1)}</td>
              <td class="n">{duration(row.p50)}</td>
              <td class="n">{duration(row.p95)}</td>
              <td class="n">{duration(row.p99)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const REPLICA: Record<string, Tone> = { ready: "good", starting: "none", out: "warn", draining: "warn", down: "bad" };

function Replicas({ server }: { server: Server }) {
  const t = useWords();
  const { name } = server;
  const used = useLoad(
    async (signal) => {
      const of = `{server=${quoted(name)}}`;
      const [cpu, memory, files] = await Promise.all([
        now(`sum by (replica) (rate(mcp_server_cpu_seconds_total${of}[1m]))`, signal),
        now(`sum by (replica) (mcp_server_resident_memory_bytes${of})`, signal),
        now(`sum by (replica) (mcp_server_open_fds${of})`, signal),
      ]);
      return { cpu, memory, files };
    },
    [name],
    ["numbers"],
  );
  const of = (vector: Vector[] | undefined, slot: number) => vector?.find((one) => one.labels["replica"] === String(slot))?.value;
  return (
    <>
      <dl class="facts">
        <Fact name={t.server.inFlight} value={String(server.in_flight)} />
        <Fact name={t.server.waiting} value={String(server.waiting)} />
        <Fact name={t.server.sessions} value={String(server.sessions)} />
        <Fact name={t.server.children} value={server.transport === "stdio" ? String(server.children) : "–"} />
      </dl>
      {server.limits == null ? null : <Limits of={server.limits} />}
      {server.replicas.length === 0 ? (
        <Empty>{t.server.noReplicas}</Empty>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label={t.server.replicas}>
          <table>
            <thead>
              <tr>
                <th>{t.server.slot}</th>
                <th>{t.server.state}</th>
                <th>{t.server.process}</th>
                <th class="n">{t.server.age}</th>
                <th class="n">{t.server.inFlight}</th>
                <th class="n">{t.server.cpu}</th>
                <th class="n">{t.server.memory}</th>
                <th class="n">{t.server.files}</th>
                <th class="n">{t.server.restarts}</th>
                <th>{t.server.why}</th>
              </tr>
            </thead>
            <tbody>
              {server.replicas.map((one) => (
                <tr key={`${one.slot}-${one.pid ?? one.address ?? ""}`}>
                  <td>{one.slot}</td>
                  <td>
                    <Status tone={REPLICA[one.state] ?? "none"}>{t.server.states[one.state] ?? one.state}</Status>
                  </td>
                  <td class="mono">{one.pid ?? <Foreign text={one.address ?? "–"} max={80} />}</td>
                  <td class="n">{duration(one.age_seconds)}</td>
                  <td class="n">{one.in_flight}</td>
                  <td class="n">{number(of(used.data?.cpu, one.slot))}</td>
                  <td class="n">{bytes(of(used.data?.memory, one.slot))}</td>
                  <td class="n">{number(of(used.data?.files, one.slot))}</td>
                  <td class="n">{one.restarts}</td>
                  <td>
                    <Foreign text={one.why ?? ""} max={200} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {server.command === undefined ? null : (
        <p class="command mono">
          <Foreign text={server.command.join(" ")} max={400} />
        </p>
      )}
    </>
  );
}

/** What a child may use, and what of that nobody enforces. */
function Limits({ of }: { of: Schema["ChildLimits"] }) {
  const t = useWords();
  const said = [
    of.memory_bytes == null ? "" : `${t.server.memory} ${bytes(of.memory_bytes)}`,
    of.cpus == null ? "" : `${t.server.cpu} ${t.server.cores(number(of.cpus))}`,
    of.open_files == null ? "" : `${t.server.files} ${of.open_files}`,
  ].filter((part) => part !== "");
  return (
    <p class="limits">
      <span class="muted">{t.server.limits}</span> {said.join(" · ")}{" "}
      {of.not_enforced == null ? null : (
        <Status tone="warn">
          <Foreign text={of.not_enforced} max={300} />
        </Status>
      )}
    </p>
  );
}

function Stderr({ server, span, rangeKey }: { server: string; span: () => Span; rangeKey: string }) {
  const t = useWords();
  const lines: Loaded<Record<string, unknown>[]> = useLoad(
    async (signal) => {
      const query = `kind=stderr server=${inQuery(server)}`;
      const found = await get("/api/pilothouse/logs", { query, ...within(span()), limit: LINES_SHOWN }, signal);
      return found.records;
    },
    [server, rangeKey],
    ["numbers"],
  );
  return (
    <Section title={t.server.stderr}>
      <Loadable of={lines}>
        {(records) =>
          records.length === 0 ? (
            <Empty>{t.server.noStderr}</Empty>
          ) : (
            <ol class="lines mono" tabIndex={0} aria-label={t.server.stderr}>
              {records.map((record, index) => (
                <li key={index}>
                  <time>{clock(Date.parse(String(record["timestamp"])) / 1000, true)}</time>
                  <span>
                    <Foreign text={record["message"]} max={400} />
                    {typeof record["trace_id"] === "string" ? (
                      <>
                        {" "}
                        <Link to={href("trace", { id: record["trace_id"] })}>{t.calls.trace}</Link>
                      </>
                    ) : null}
                  </span>
                </li>
              ))}
            </ol>
          )
        }
      </Loadable>
    </Section>
  );
}
