// Cost: the bill of a month and what measures take off it; what servers are to ask for; a load against autoscalers; whose
// cost it was. What is asked stands in the address, so that a question can be sent to somebody.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get, Refused, type Schema } from "../api/client";
import { useLive } from "../api/live";
import { bytes, duration, number, percent } from "../format";
import { useWords } from "../i18n";
import { useLoad, type Loaded } from "../load";
import { adjust, href } from "../route";
import { useSpan } from "../span";
import { Chart, type Drawn } from "../ui/chart";
import { Empty, Foreign, Link, Loading, Problem, Section, Status } from "../ui/parts";
import { useRoute } from "../use-route";
import { readMeasures } from "../measures";
import { Measures } from "../ui/measures";
import { FIELDS, WhatIf, type Field } from "../ui/what-if";

/** Numbers come every 5 s; a bill is made anew once a minute. */
const NUMBERS_A_MINUTE = 12;
const CHART_PIXELS = 900;
const ROWS_SHOWN = 12;
const EXAMPLE = "cost:\n  currency: EUR\n  cpu_hour: 0.03\n  gib_hour: 0.004\n  transfer_gb: 0.09\n  fixed: {database: 200, load-balancer: 50}    # a month\n  capacity_cores: 4    # what is paid for, whatever is used of it\n  capacity_memory: 8GiB\n";

export function Cost() {
  const t = useWords();
  const route = useRoute();
  const { key, span, range } = useSpan();
  const given = Object.fromEntries(FIELDS.map((name) => [name, route.query.get(name) ?? ""])) as Record<Field, string>;
  const month = route.query.get("month") ?? "";
  const measures = readMeasures(route.query.get("measures"));
  const since = () => range ?? `${Math.max(60, Math.floor(Date.now() / 1000 - span().from))}s`;
  const prices = { cpu_hour: given.cpu_hour, gib_hour: given.gib_hour };
  const bill = useLoad(
    (signal) => get("/api/pilothouse/cost/bill", { ...some({ month, ...prices }), measure: measures.map((one) => JSON.stringify(one)) }, signal),
    [month, prices, measures],
  );
  const shares = useLoad((signal) => get("/api/pilothouse/cost/shares", { ...some(prices), since: since() }, signal), [key, prices]);
  const sizes = useLoad((signal) => get("/api/pilothouse/cost/sizes", { ...some(sizing(given)), since: since() }, signal), [key, sizing(given)]);
  const replay = useLoad(
    async (signal) => (given.server === "" ? undefined : get("/api/pilothouse/cost/replay", { ...some(replaying(given)), since: since(), points: CHART_PIXELS / 2 }, signal)),
    [key, replaying(given)],
  );
  useAnew([bill, shares, sizes, replay]);
  const priced = bill.data?.priced ?? shares.data?.priced ?? sizes.data?.priced;
  const wrong = { ...fieldOf(replay.error, {}), ...fieldOf(sizes.error, { hpa_min: "min", hpa_max: "max", hpa_cpu: "cpu_target" }), ...fieldOf(bill.error, {}) };
  return (
    <>
      {priced?.is_placeholder === true ? <HowToPrice /> : null}
      <div class="columns start">
        <Section title={t.cost.bill} more={<Month value={month === "" ? (bill.data?.bill.month ?? "") : month} wrong={wrong["month"]} />}>
          <Answered of={bill}>{(data) => <Bill of={data} />}</Answered>
        </Section>
        <Section title={t.cost.measures}>
          <Measures measures={measures} rows={bill.data?.bill.rows.map((row) => row.name) ?? []} currency={priced?.currency ?? ""} wrong={wrong["measure"]} settled={bill.data?.bill} />
        </Section>
      </div>
      <Section title={t.cost.whatIf}>
        <WhatIf key={JSON.stringify(given)} given={given} wrong={wrong} currency={priced?.currency ?? ""} />
      </Section>
      <Section title={t.cost.sizes}>
        <Answered of={sizes}>{(data) => <Sizes of={data} />}</Answered>
      </Section>
      <Section title={t.cost.replay}>
        {given.server === "" ? <Empty>{t.cost.chooseServer}</Empty> : <Answered of={replay}>{(data) => (data === undefined ? null : <Replay of={data} />)}</Answered>}
      </Section>
      <Section title={t.cost.shares}>
        <Answered of={shares}>{(data) => <Shares of={data} />}</Answered>
      </Section>
    </>
  );
}

/** What was given; what is empty is left to the API. */
function some(params: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== ""));
}

function sizing(given: Record<Field, string>): Record<string, string> {
  const { server, cpu_request, cpu_limit, memory_request, memory_limit, cpu_hour, gib_hour } = given;
  const base = { server, cpu_request, cpu_limit, memory_request, memory_limit, cpu_hour, gib_hour };
  // A target is a share of the request: without one there is nothing to share.
  return cpu_request === "" || given.cpu_target === "" || given.cpu_target === "0" ? base : { ...base, hpa_cpu: given.cpu_target, hpa_min: given.min, hpa_max: given.max };
}

function replaying(given: Record<Field, string>): Record<string, string> {
  const { memory_limit: _, ...rest } = given;
  return rest;
}

function fieldOf(error: Error | undefined, names: Record<string, string>): Record<string, string> {
  if (!(error instanceof Refused) || error.field === undefined) return {};
  return { [names[error.field] ?? error.field]: error.message };
}

/** Asks anew once a minute while numbers come, and when another configuration is taken up. */
function useAnew(all: Loaded<unknown>[]): void {
  const { versions, events } = useLive();
  const minutes = Math.floor(versions.numbers / NUMBERS_A_MINUTE);
  const plans = events.filter((event) => event["event"] === "plan_loaded").length;
  const known = useRef(`${minutes} ${plans}`);
  useEffect(() => {
    const now = `${minutes} ${plans}`;
    if (known.current === now) return;
    known.current = now;
    for (const one of all) one.again();
  }, [minutes, plans]);
}

/** What was answered; that nothing was recorded is no failure. */
function Answered<T extends object | undefined>({ of, children }: { of: Loaded<T>; children: (data: T) => preact.ComponentChildren }) {
  const t = useWords();
  const { error } = of;
  if (error instanceof Refused && error.field !== undefined) return <Empty>{t.cost.mend}</Empty>;
  if (error !== undefined && of.data === undefined) return <Problem error={error} again={of.again} />;
  if (of.loading) return <Loading />;
  const nothing = of.data !== undefined && "nothing" in of.data ? (of.data.nothing as Schema["Nothing"] | null | undefined) : undefined;
  if (nothing != null) {
    return (
      <Empty>
        <Foreign text={nothing.why} max={400} />
        {nothing.hint == null ? null : (
          <>
            <br />
            <Foreign text={nothing.hint} max={400} />
          </>
        )}
      </Empty>
    );
  }
  return <>{children(of.data as T)}</>;
}

function HowToPrice() {
  const t = useWords();
  return (
    <Section title={t.cost.noPrices} class="hint">
      <p>{t.cost.noPricesText}</p>
      <details>
        <summary>{t.cost.howToPrice}</summary>
        <pre class="text" tabIndex={0} aria-label={t.settings.example}>
          {EXAMPLE}
        </pre>
      </details>
    </Section>
  );
}

function Month({ value, wrong }: { value: string; wrong: string | undefined }) {
  const t = useWords();
  return (
    <label class="inline">
      <span class="muted">{t.cost.month}</span>
      <input type="month" value={value} aria-invalid={wrong !== undefined} aria-describedby="month-wrong" onChange={(event) => adjust({ month: event.currentTarget.value }, "replace")} />
      <span id="month-wrong" class="wrong" role="alert">
        {wrong ?? ""}
      </span>
    </label>
  );
}

function permille(value: number | null | undefined): string {
  return value == null ? "–" : percent(value / 10, 1);
}

function Notes({ title, of }: { title: string; of: string[] }) {
  if (of.length === 0) return null;
  return (
    <details class="notes">
      <summary>{title}</summary>
      <ul>
        {of.map((text, index) => (
          <li key={index}>
            <Foreign text={text} max={600} />
          </li>
        ))}
      </ul>
    </details>
  );
}

function Bill({ of }: { of: Schema["CostBill"] }) {
  const t = useWords();
  const { bill } = of;
  const isMeasured = bill.steps.length > 0;
  return (
    <div class="stack">
      <p class="amounts">
        <span>
          <b class="amount">
            {bill.total} {bill.currency}
          </b>{" "}
          <span class="muted">
            {bill.month}
            {of.is_over ? "" : `, ${t.cost.soFar}`}
          </span>
        </span>
        {bill.before == null ? null : (
          <span class="muted">
            {t.cost.monthBefore}: {bill.before}
          </span>
        )}
      </p>
      <div class="scroll" tabIndex={0} role="region" aria-label={t.cost.bill}>
        <table>
          <thead>
            <tr>
              <th>{t.cost.row}</th>
              <th class="n">{t.cost.amount}</th>
              <th class="n">{t.cost.ofTotal}</th>
              <th class="n">{t.cost.used}</th>
              <th class="n">{t.cost.monthBefore}</th>
              {isMeasured ? <th class="n">{t.cost.after}</th> : null}
            </tr>
          </thead>
          <tbody>
            {bill.rows.map((row) => (
              <tr key={row.name}>
                <td>
                  <Foreign text={row.name} max={64} />
                </td>
                <td class="n">{row.amount}</td>
                <td class="n">{permille(row.permille_of_total)}</td>
                <td class="n">{row.used_percent == null ? "–" : `${row.used_percent} %`}</td>
                <td class="n">{row.before ?? "–"}</td>
                {isMeasured ? <td class="n">{row.rest}</td> : null}
              </tr>
            ))}
            <tr class="total">
              <td>{t.cost.total}</td>
              <td class="n">{bill.total}</td>
              <td class="n" />
              <td class="n" />
              <td class="n">{bill.before ?? "–"}</td>
              {isMeasured ? <td class="n">{bill.rest}</td> : null}
            </tr>
          </tbody>
        </table>
      </div>
      {bill.sla == null ? null : (
        <p class="muted">
          {t.cost.promise}: <Foreign text={bill.sla.before} max={300} /> → <Foreign text={bill.sla.after} max={300} />
        </p>
      )}
      <Notes title={t.cost.toKnow} of={of.notes} />
      <Notes title={t.cost.how} of={[...of.how, ...bill.arithmetic]} />
    </div>
  );
}

type Resources = Schema["ContainerResources"];
const cores = (milli: number | null | undefined) => (milli == null ? "–" : milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`);

function Sizes({ of }: { of: Schema["CostSizes"] }) {
  return (
    <div class="sized">
      {of.servers.map((one) => (
        <Sized key={one.name} of={one} />
      ))}
    </div>
  );
}

function Sized({ of }: { of: Schema["CostSizes"]["servers"][number] }) {
  const t = useWords();
  if ("refused" in of) {
    return (
      <div class="stack">
        <h3>
          <Foreign text={of.name} max={64} />
        </h3>
        <p>
          <Status tone="none">{t.cost.tooLittle}:</Status> <Foreign text={of.refused.why} max={400} />
        </p>
      </div>
    );
  }
  const { comparison, hpa, price, calls } = of.compared;
  const rows: [string, (of: Resources) => string][] = [
    [t.cost.cpuRequest, (one) => cores(one.cpu_request_milli)],
    [t.cost.cpuLimit, (one) => cores(one.cpu_limit_milli)],
    [t.cost.memoryRequest, (one) => bytes(one.memory_request_bytes)],
    [t.cost.memoryLimit, (one) => bytes(one.memory_limit_bytes)],
  ];
  return (
    <div class="stack">
      <h3>
        <Link to={href("server", { name: of.name })}>
          <Foreign text={of.name} max={64} />
        </Link>
      </h3>
      <table>
        <thead>
          <tr>
            <th>{t.cost.replica}</th>
            <th class="n">{t.cost.today}</th>
            <th class="n">{t.cost.take}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, show]) => (
            <tr key={name}>
              <td>{name}</td>
              <td class="n">{show(of.current)}</td>
              <td class="n">
                <b>{show(comparison.take)}</b>
              </td>
            </tr>
          ))}
          <tr class="total">
            <td>{t.cost.aMonth(price.currency)}</td>
            <td class="n">{rounded(price.current)}</td>
            <td class="n">
              <b>{rounded(price.take)}</b>
            </td>
          </tr>
        </tbody>
      </table>
      {hpa == null ? null : <p>{t.cost.newTarget(hpa.target_percent)}</p>}
      {calls == null ? null : "not" in calls ? (
        <p class="muted">
          <Foreign text={calls.not} max={300} />
        </p>
      ) : (
        <Pairs of={calls.replayed.pairing} />
      )}
      {comparison.rows.slice(0, 1).flatMap((row) =>
        row.recommendation.warnings.map((text) => (
          <p key={text} class="muted">
            <Status tone="warn">
              <Foreign text={text} max={300} />
            </Status>
          </p>
        )),
      )}
      <Notes title={t.cost.how} of={comparison.rows.flatMap((row) => row.recommendation.arithmetic.map((text) => `${row.recommendation.policy}: ${text}`))} />
    </div>
  );
}

function Pairs({ of }: { of: Schema["Pairing"] }) {
  const t = useWords();
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t.cost.together}>
      <table>
        <thead>
          <tr>
            <th>{t.cost.together}</th>
            <th class="n">{t.cost.replicas}</th>
            <th class="n">{t.cost.good}</th>
            <th class="n">{t.cost.cost}</th>
          </tr>
        </thead>
        <tbody>
          {of.pairs.map((pair, index) => (
            <tr key={pair.name}>
              <td>
                {index === of.take ? <b>{t.cost.pairs[pair.name] ?? pair.name}</b> : (t.cost.pairs[pair.name] ?? pair.name)}
                <br />
                <span class="muted">{pair.metric}</span>
              </td>
              <td class="n">{number(pair.outcome.average_pods)}</td>
              <td class="n">
                <Status tone={pair.outcome.slo_kept ? "good" : "bad"}>{percent(pair.outcome.good_share * 100)}</Status>
              </td>
              <td class="n">{micro(pair.outcome.cost_micro)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** An amount that is reckoned, to the cent where it is more than a few. */
function rounded(amount: string | null | undefined): string {
  if (amount == null) return "–";
  return Number(amount) >= 1 ? Number(amount).toFixed(2) : amount;
}

function micro(value: number): string {
  return (value / 1e6).toFixed(value < 1e6 ? 4 : 2);
}

const COLOR: Record<string, string> = { today: "--line-8", proposed: "--line-2", found: "--line-3" };

function Replay({ of }: { of: Schema["CostReplay"] }) {
  const t = useWords();
  const drawn = useMemo(() => draw(of, t.cost), [of, t]);
  return (
    <div class="stack">
      <Chart title={t.cost.load} span={drawn.span} series={drawn.load} format={number} height={120} />
      <Chart title={t.cost.replicas} span={drawn.span} series={drawn.replicas} format={number} height={150} />
      <div class="scroll" tabIndex={0} role="region" aria-label={t.cost.outcome}>
        <table>
          <thead>
            <tr>
              <th>{t.cost.setting}</th>
              <th class="n">{t.cost.replicasMean}</th>
              <th class="n">{t.cost.replicasMost}</th>
              <th class="n">p95</th>
              <th class="n">{t.cost.good}</th>
              <th class="n">{t.cost.above}</th>
              <th class="n">{t.cost.cost}</th>
              <th class="n">{t.cost.aMonth(of.priced.currency)}</th>
            </tr>
          </thead>
          <tbody>
            {of.settings.map((one) => (
              <tr key={one.which}>
                <td>
                  <b>{t.cost.which[one.which] ?? one.which}</b> {one.is_recommended ? <Status tone="good">{t.cost.recommended}</Status> : null}
                  <br />
                  <span class="muted">{one.name}</span>
                </td>
                <td class="n">{number(one.outcome.average_pods)}</td>
                <td class="n">{one.outcome.most_pods}</td>
                <td class="n">{duration(one.outcome.p95_s)}</td>
                <td class="n">
                  <Status tone={one.outcome.slo_kept ? "good" : "bad"}>{percent(one.outcome.good_share * 100)}</Status>
                </td>
                <td class="n">{duration(one.outcome.seconds_above_capacity)}</td>
                <td class="n">{micro(one.outcome.cost_micro)}</td>
                <td class="n">{rounded(one.month)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {of.reasons.map((text) => (
        <p key={text}>
          <Foreign text={text} max={600} />
        </p>
      ))}
      <p class="muted">{t.cost.model}</p>
      <Notes title={t.cost.how} of={of.evidence} />
    </div>
  );
}

function draw(of: Schema["CostReplay"], words: { load: string; which: Record<string, string> }): { span: { from: number; to: number; range: undefined }; load: Drawn[]; replicas: Drawn[] } {
  const times = of.load.map((_, index) => of.from_s + index * of.step_s);
  const span = { from: of.from_s, to: of.from_s + Math.max(1, of.load.length) * of.step_s, range: undefined };
  return {
    span,
    load: [{ label: words.load, times, values: of.load }],
    replicas: of.settings.map((one) => ({
      label: words.which[one.which] ?? one.which,
      times: times.slice(0, one.replicas.length),
      values: one.replicas,
      before: one.which === "today",
      color: COLOR[one.which],
      stepped: true,
    })),
  };
}

function Shares({ of }: { of: Schema["CostShares"] }) {
  const t = useWords();
  const { shares } = of;
  return (
    <div class="stack">
      <dl class="facts">
        <div>
          <dt>{t.cost.total}</dt>
          <dd>
            {shares.total} {shares.currency}
          </dd>
        </div>
        <div>
          <dt>{t.cost.perCall}</dt>
          <dd>{shares.per_call ?? "–"}</dd>
        </div>
        <div>
          <dt>{t.cost.calls}</dt>
          <dd>{number(shares.calls)}</dd>
        </div>
        <div>
          <dt>{t.cost.idle}</dt>
          <dd>{shares.idle}</dd>
        </div>
      </dl>
      <div class="columns start">
        <Sums title={t.calls.client} of={shares.clients} />
        <Sums title={t.server.choose} of={shares.servers} />
      </div>
      <Notes title={t.cost.toKnow} of={of.notes} />
      <Notes title={t.cost.how} of={shares.arithmetic} />
    </div>
  );
}

function Sums({ title, of }: { title: string; of: Schema["CostSum"][] }) {
  const t = useWords();
  const [all, setAll] = useState(false);
  if (of.length === 0) return null;
  return (
    <div class="stack">
      <table>
        <thead>
          <tr>
            <th>{title}</th>
            <th class="n">{t.cost.calls}</th>
            <th class="n">{t.cost.amount}</th>
            <th class="n">{t.cost.ofTotal}</th>
          </tr>
        </thead>
        <tbody>
          {of.slice(0, all ? 200 : ROWS_SHOWN).map((one) => (
            <tr key={one.name}>
              <td>{one.name === "" ? <span class="muted">–</span> : <Foreign text={one.name} max={80} />}</td>
              <td class="n">{number(one.calls)}</td>
              <td class="n">{one.amount}</td>
              <td class="n">{permille(one.permille)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {of.length > ROWS_SHOWN && !all ? (
        <button type="button" onClick={() => setAll(true)}>
          {t.calls.more}
        </button>
      ) : null}
    </div>
  );
}
