// Any expression of PromQL, as a chart and as a table.

import { useEffect, useRef, useState } from "preact/hooks";
import { address, headers, Refused } from "../api/client";
import { now, over, type Vector } from "../api/prometheus";
import { clock, number } from "../format";
import { useWords } from "../i18n";
import { useLoad } from "../load";
import { adjust, href } from "../route";
import { useSpan } from "../span";
import { Chart } from "../ui/chart";
import { Empty, Foreign, Link, Loading, Problem, Section } from "../ui/parts";
import { useRoute } from "../use-route";

const CHART_PIXELS = 1400;
/** Series that are drawn and listed. */
const DRAWN_MAX = 24;
const ROWS_MAX = 200;
const OFFERED_MAX = 8;
const EXAMPLES = [
  "sum by (server) (rate(mcp_requests_total[5m]))",
  'sum by (server, status) (rate(mcp_requests_total{status=~"5.."}[5m]))',
  "histogram_quantile(0.95, sum by (tool, le) (rate(mcp_response_duration_seconds_bucket[5m])))",
  "topk(5, sum by (tool) (rate(mcp_tool_calls_total[5m])))",
  "rate(mcp_server_cpu_seconds_total[5m])",
];
const FUNCTIONS = ["sum", "avg", "max", "min", "count", "topk", "bottomk", "quantile", "rate", "increase", "irate", "delta", "histogram_quantile", "avg_over_time", "max_over_time", "label_replace", "clamp_min", "absent"];

export function Explore() {
  const t = useWords();
  const route = useRoute();
  const { span, key } = useSpan();
  const query = route.query.get("query") ?? "";
  const result = useLoad(
    async (signal) => {
      const shown = span();
      if (query === "") return { span: shown, lines: [], values: [] };
      const [lines, values] = await Promise.all([over(query, shown, CHART_PIXELS, signal, { exact: true }), now(query, signal, shown.range === undefined ? shown.to : undefined)]);
      return { span: shown, lines, values };
    },
    [query, key],
    query === "" ? [] : ["numbers"],
  );
  const wrong = result.error instanceof Refused && [400, 422].includes(result.error.status) ? result.error : undefined;
  return (
    <>
      <Ask query={query} wrong={wrong} />
      {query === "" ? (
        <Section title={t.explore.examples}>
          <ul class="examples rows">
            {EXAMPLES.map((example) => (
              <li key={example}>
                <Link to={href("explore", { query: example })}>
                  <code>{example}</code>
                </Link>
              </li>
            ))}
          </ul>
        </Section>
      ) : (
        <>
          {result.error !== undefined && wrong === undefined ? <Problem error={result.error} again={result.again} /> : null}
          {result.loading ? <Loading /> : null}
          {result.data === undefined ? null : result.data.lines.length === 0 && result.data.values.length === 0 ? (
            <Empty>{t.explore.empty}</Empty>
          ) : (
            <>
              <Section
                title={t.pages.explore}
                more={result.data.lines.length > DRAWN_MAX ? <span class="muted">{t.explore.tooMany(DRAWN_MAX, result.data.lines.length)}</span> : null}
              >
                <Chart
                  title={query.slice(0, 200)}
                  span={result.data.span}
                  series={result.data.lines.slice(0, DRAWN_MAX).map((line) => ({ label: nameOf(line.labels), times: line.times, values: line.values }))}
                  format={number}
                  height={300}
                  onZoom={(from, to) => adjust({ from: String(from), to: String(to), range: undefined })}
                />
              </Section>
              <Table values={result.data.values} at={result.data.span.to} />
            </>
          )}
        </>
      )}
    </>
  );
}

/** `name{a="b"}`, as Prometheus writes it. */
export function nameOf(labels: Record<string, string>): string {
  const { __name__: name, ...rest } = labels;
  const pairs = Object.entries(rest).map(([label, value]) => `${label}="${value}"`);
  return `${name ?? ""}${pairs.length > 0 || name === undefined ? `{${pairs.join(", ")}}` : ""}`;
}

/** What the expression gives at the end of the span: an instant query, so an alert's `> 5` shows what it would fire for. */
function Table({ values, at }: { values: Vector[]; at: number }) {
  const t = useWords();
  return (
    <Section
      title={t.explore.instant(clock(at, true))}
      more={<span class="muted">{values.length > ROWS_MAX ? t.explore.tooManyRows(ROWS_MAX, values.length) : t.explore.rows(values.length)}</span>}
    >
      {values.length === 0 ? <Empty>{t.explore.noneNow}</Empty> : null}
      <div class="scroll" tabIndex={0} role="region" aria-label={t.explore.series}>
        <table>
          <thead>
            <tr>
              <th>{t.explore.series}</th>
              <th class="n">{t.explore.value}</th>
            </tr>
          </thead>
          <tbody>
            {values.slice(0, ROWS_MAX).map((one) => (
              <tr key={nameOf(one.labels)}>
                <td class="mono">
                  <Foreign text={nameOf(one.labels)} max={400} />
                </td>
                <td class="n" title={String(one.value)}>
                  {number(one.value)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

function Ask({ query, wrong }: { query: string; wrong: Refused | undefined }) {
  const t = useWords();
  const [typed, setTyped] = useState(query);
  const [at, setAt] = useState<number | undefined>();
  const field = useRef<HTMLInputElement>(null);
  const names = useNames();
  useEffect(() => setTyped(query), [query]);
  const word = at === undefined ? "" : (/[a-zA-Z_:][a-zA-Z0-9_:]*$/.exec(typed.slice(0, at))?.[0] ?? "");
  const offered = word.length < 2 ? [] : [...FUNCTIONS, ...names].filter((name) => name.includes(word) && name !== word).slice(0, OFFERED_MAX);
  const put = (name: string) => {
    setTyped(typed.slice(0, (at ?? 0) - word.length) + name + typed.slice(at ?? 0));
    setAt(undefined);
    field.current?.focus();
  };
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        setAt(undefined);
        adjust({ query: typed.trim() });
      }}
    >
      <label for="promql">{t.explore.query}</label>
      <div class="row">
        <div class="field">
          <input
            id="promql"
            ref={field}
            data-search
            class="mono"
            type="search"
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            value={typed}
            aria-invalid={wrong !== undefined}
            aria-describedby="promql-wrong"
            onInput={(event) => {
              setTyped(event.currentTarget.value);
              setAt(event.currentTarget.selectionStart ?? undefined);
            }}
            onKeyDown={(event) => {
              const first = offered[0];
              if (event.key === "Tab" && !event.shiftKey && first !== undefined) {
                event.preventDefault();
                put(first);
              } else if (event.key === "Escape") setAt(undefined);
            }}
            onBlur={() => setTimeout(() => setAt(undefined), 150)}
          />
          {offered.length === 0 ? null : (
            <ul class="offers">
              {offered.map((name) => (
                <li key={name}>
                  <button type="button" tabIndex={-1} onClick={() => put(name)}>
                    <code>{name}</code>
                  </button>
                </li>
              ))}
            </ul>
          )}
        </div>
        <button type="submit" class="primary">
          {t.explore.run}
        </button>
      </div>
      <p id="promql-wrong" class="wrong" role="alert">
        {wrong === undefined ? null : <Foreign text={wrong.message} max={500} />}
      </p>
    </form>
  );
}

/** The names of metrics there are. */
function useNames(): string[] {
  const names = useLoad(async (signal) => {
    const response = await fetch(address("/api/v1/label/{name}/values", { name: "__name__", limit: 2000 }), { headers: headers(), signal });
    const body = (await response.json()) as { data?: string[] };
    return body.data ?? [];
  }, []);
  return names.data ?? [];
}
