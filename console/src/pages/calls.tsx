// Calls: found by the query language, over time, followed live; each opens with all that was recorded of it.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { address, get, headers, Refused, type Schema } from "../api/client";
import { readEvent } from "../api/live";
import { quoted } from "../changes";
import { clock, duration, number } from "../format";
import { useWords } from "../i18n";
import { useLoad } from "../load";
import { complete } from "../query";
import { adjust, href } from "../route";
import { useSpan } from "../span";
import { within, type Span } from "../time";
import { Bars } from "../ui/bars";
import { Dialog, Empty, Foreign, Link, Loading, Problem, RecordFields, Section, Status, type Tone } from "../ui/parts";
import { useRoute } from "../use-route";

type Rec = Record<string, unknown>;
const PAGE = 100;
/** Lines that are read to count, until all of them are asked for: more would keep the page waiting. */
const LINES_MAX = 100_000;
/** Rows that are kept while calls are followed. */
const FOLLOWED_MAX = 500;
const ORDERS = ["newest", "slowest", "oldest"] as const;

const text = (record: Rec, name: string) => (typeof record[name] === "string" ? record[name] : undefined);
const value = (record: Rec, name: string) => (typeof record[name] === "number" ? record[name] : undefined);

export function Calls() {
  const t = useWords();
  const route = useRoute();
  const { span, key } = useSpan();
  const query = route.query.get("query") ?? "kind=call";
  const order = ORDERS.find((known) => known === route.query.get("order")) ?? "newest";
  const isFollowed = route.query.get("follow") === "1";
  const [more, setMore] = useState<Rec[]>([]);
  const [next, setNext] = useState<string | undefined>();
  const [open, setOpen] = useState<Rec | undefined>();
  // What everything is counted of; another query begins with the newest again.
  const [counted, setCounted] = useState<string | undefined>();
  const asked = `${query} ${key}`;
  const bound = counted === asked ? {} : { lines_max: LINES_MAX };
  const countAll = () => setCounted(asked);

  const found = useLoad(
    async (signal) => {
      const page = await get("/api/pilothouse/logs", { query, order, ...within(span()), limit: PAGE }, signal);
      setMore([]);
      setNext(page.next ?? undefined);
      return page;
    },
    [query, order, key, isFollowed],
  );
  const bars = useLoad(
    (signal) => get("/api/pilothouse/logs/histogram", { query, ...within(span()), bars: 90, ...bound }, signal),
    [query, key, bound.lines_max],
    isFollowed ? ["numbers"] : [],
  );
  const followed = useFollow(isFollowed ? query : undefined);
  const records = useMemo(() => [...followed.records, ...(found.data?.records ?? []), ...more], [followed.records, found.data, more]);

  async function nextPage(): Promise<void> {
    const page = await get("/api/pilothouse/logs", { query, order, ...within(span()), limit: PAGE, cursor: next });
    setMore((old) => [...old, ...page.records]);
    setNext(page.next ?? undefined);
  }

  const wrong = found.error instanceof Refused && found.error.status === 400 ? found.error : undefined;
  return (
    <>
      <Search query={query} wrong={wrong} />
      <Section
        title={t.calls.hits}
        more={
          <div class="row">
            <label>
              <span class="hidden">{t.calls.order}</span>
              <select value={order} disabled={isFollowed} onChange={(event) => adjust({ order: event.currentTarget.value })}>
                {ORDERS.map((one) => (
                  <option key={one} value={one}>
                    {t.calls[one]}
                  </option>
                ))}
              </select>
            </label>
            <button type="button" aria-pressed={isFollowed} onClick={() => adjust({ follow: isFollowed ? undefined : "1", order: undefined })}>
              {isFollowed ? `● ${t.calls.following}` : t.calls.follow}
            </button>
          </div>
        }
      >
        {bars.data === undefined ? (
          bars.error === undefined || wrong !== undefined ? <div class="bars" /> : <Problem error={bars.error} again={bars.again} />
        ) : (
          <>
            <Bars data={bars.data} title={t.calls.hits} onZoom={(from, to) => adjust({ from: String(from), to: String(to), range: undefined })} />
            <OfTheNewest of={bars.data} onAll={bound.lines_max === undefined ? undefined : countAll} />
          </>
        )}
      </Section>
      {wrong === undefined ? <Most query={query} span={span} spanKey={key} linesMax={bound.lines_max} onAll={countAll} /> : null}
      <Section title={t.pages.calls} class="calls">
        {found.error !== undefined && wrong === undefined ? <Problem error={found.error} again={found.again} /> : null}
        {found.loading ? <Loading /> : null}
        {found.data?.complete === false ? (
          <p>
            <Status tone="warn">{t.calls.incomplete}</Status>
          </p>
        ) : null}
        {found.data !== undefined && records.length === 0 ? <Empty>{t.calls.noHits}</Empty> : null}
        {records.length === 0 ? null : <Rows records={records} onOpen={setOpen} />}
        <div class="row end">
          {found.data === undefined ? null : <span class="muted">{t.calls.shown(records.length, number(found.data.scanned))}</span>}
          {next === undefined || records.length < PAGE ? null : (
            <button type="button" onClick={() => void nextPage()}>
              {t.calls.more}
            </button>
          )}
        </div>
      </Section>
      {open === undefined ? null : <One record={open} onClose={() => setOpen(undefined)} />}
    </>
  );
}

/** A query that only takes records with one more value. */
function narrowed(query: string, field: string, value: string): string {
  const also = `${field}=${quoted(value)}`;
  if (query === "*" || query.includes(also)) return query === "*" ? also : query;
  return /\bOR\b/.test(query) ? `(${query}) ${also}` : `${query} ${also}`;
}

const MOST_OF = ["client", "tool", "outcome"] as const;
const MOST_SHOWN = 5;

/** That only the newest were counted, where that is so: how many of them, since when; and a way to count all. */
function OfTheNewest({ of, onAll }: { of: Pick<Schema["Top"], "complete" | "complete_from" | "scanned">; onAll: (() => void) | undefined }) {
  const t = useWords();
  if (of.complete) return null;
  return (
    <p class="newest muted">
      {t.calls.newestCounted(number(of.scanned), of.complete_from == null ? undefined : clock(of.complete_from))}{" "}
      {onAll === undefined ? null : (
        <button type="button" onClick={onAll}>
          {t.calls.countAll}
        </button>
      )}
    </p>
  );
}

interface MostProps {
  query: string;
  span: () => Span;
  spanKey: string;
  linesMax: number | undefined;
  onAll: () => void;
}

/** Which values are the most frequent among what fits; one of them narrows the query. */
function Most({ query, span, spanKey, linesMax, onAll }: MostProps) {
  const t = useWords();
  const tops = useLoad(
    (signal) => {
      const params = { query, ...within(span()), limit: MOST_SHOWN, ...(linesMax === undefined ? {} : { lines_max: linesMax }) };
      return Promise.all(MOST_OF.map((field) => get("/api/pilothouse/logs/top", { field, ...params }, signal)));
    },
    [query, spanKey, linesMax],
  );
  // Where nothing was found among the newest there may be some among the others.
  const shown = (tops.data ?? []).filter((top) => top.values.length > 0 || !top.complete);
  const firstCut = shown.find((top) => !top.complete);
  if (shown.length === 0) return null;
  return (
    <Section title={t.calls.most}>
      <div class="most">
        {shown.map((top) => (
          <div key={top.field}>
            <h3>{t.calls[top.field as (typeof MOST_OF)[number]]}</h3>
            <ul class="rows">
              {top.values.map((one, _, all) => (
                <li key={one.value}>
                  <Link to={href("calls", { query: narrowed(query, top.field, one.value) })}>
                    <Foreign text={one.value} max={60} />
                  </Link>
                  <b>{number(one.count)}</b>
                  <span class="bar" aria-hidden="true">
                    <span style={{ width: `${(one.count / all.reduce((sum, other) => sum + other.count, top.others)) * 100}%` }} />
                  </span>
                </li>
              ))}
            </ul>
            <OfTheNewest of={top} onAll={linesMax === undefined || top !== firstCut ? undefined : onAll} />
          </div>
        ))}
      </div>
    </Section>
  );
}

/** The query, with completion of fields; what is wrong with it stands beside it. */
function Search({ query, wrong }: { query: string; wrong: Refused | undefined }) {
  const t = useWords();
  const [typed, setTyped] = useState(query);
  const [at, setAt] = useState<number | undefined>();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => setTyped(query), [query]);
  const offered = at === undefined ? [] : complete(typed, at);
  const send = () => {
    setAt(undefined);
    adjust({ query: typed.trim() === "" ? "*" : typed.trim() });
  };
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label for="query">{t.calls.query}</label>
      <div class="row">
        <div class="field">
          <input
            id="query"
            ref={field}
            data-search
            class="mono"
            type="search"
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            placeholder={t.calls.placeholder}
            value={typed}
            aria-invalid={wrong !== undefined}
            aria-describedby="query-wrong"
            onInput={(event) => {
              setTyped(event.currentTarget.value);
              setAt(event.currentTarget.selectionStart ?? undefined);
            }}
            onKeyDown={(event) => {
              const first = offered[0];
              if (event.key === "Tab" && !event.shiftKey && first !== undefined && typed !== "") {
                event.preventDefault();
                setTyped(first.whole);
                setAt(undefined);
              } else if (event.key === "Escape") setAt(undefined);
            }}
            onBlur={() => setTimeout(() => setAt(undefined), 150)}
          />
          {offered.length === 0 ? null : (
            <ul class="offers" aria-label={t.calls.help}>
              {offered.map((one) => (
                <li key={one.word}>
                  <button
                    type="button"
                    tabIndex={-1}
                    onClick={() => {
                      setTyped(one.whole);
                      setAt(undefined);
                      field.current?.focus();
                    }}
                  >
                    <code>{one.word}</code> <span class="muted">{one.about}</span>
                  </button>
                </li>
              ))}
            </ul>
          )}
        </div>
        <button type="submit" class="primary">
          {t.calls.search}
        </button>
      </div>
      <p id="query-wrong" class="wrong" role="alert">
        {wrong === undefined ? null : (
          <>
            <Foreign text={wrong.message} /> {wrong.hint === undefined ? null : <Foreign text={wrong.hint} max={400} />}
          </>
        )}
      </p>
    </form>
  );
}

/** Records as they come, the newest first; none while nothing is followed. */
function useFollow(query: string | undefined): { records: Rec[] } {
  const [records, setRecords] = useState<Rec[]>([]);
  useEffect(() => {
    setRecords([]);
    if (query === undefined) return;
    const end = new AbortController();
    void (async () => {
      const response = await fetch(address("/api/pilothouse/logs/follow", { query }), { headers: headers(), signal: end.signal });
      const reader = response.ok ? response.body?.getReader() : undefined;
      if (reader === undefined) return;
      const decoder = new TextDecoder();
      let rest = "";
      for (;;) {
        const { done, value: piece } = await reader.read();
        if (done) return;
        rest += decoder.decode(piece, { stream: true });
        const blocks = rest.split("\n\n");
        rest = blocks.pop() ?? "";
        const fresh = blocks.map(readEvent).filter((event) => event.name === "message" && event.data !== "");
        if (fresh.length > 0) setRecords((old) => [...fresh.map((event) => JSON.parse(event.data) as Rec).reverse(), ...old].slice(0, FOLLOWED_MAX));
      }
    })().catch(() => undefined);
    return () => end.abort();
  }, [query]);
  return { records };
}

export function toneOfRecord(record: Rec): Tone {
  const level = text(record, "level");
  if (level === "error") return "bad";
  if (level === "warn") return "warn";
  return text(record, "kind") === "call" ? "good" : "none";
}

function Rows({ records, onOpen }: { records: Rec[]; onOpen: (record: Rec) => void }) {
  const t = useWords();
  return (
    <ol class="records rows">
      {records.map((record, index) => {
        const isCall = text(record, "kind") === "call";
        return (
          <li key={`${text(record, "timestamp") ?? ""}${text(record, "span_id") ?? index}`}>
            <button type="button" class="record" onClick={() => onOpen(record)}>
              <span class="time">{clock(Date.parse(text(record, "timestamp") ?? "") / 1000, true)}</span>
              <span class="took">{value(record, "duration") === undefined ? "" : duration((value(record, "duration") ?? 0) / 1000)}</span>
              <span class="state">
                <Status tone={toneOfRecord(record)}>{isCall ? (text(record, "outcome") ?? "") : (text(record, "kind") ?? "")}</Status>
              </span>
              <span class="who">
                <Foreign text={text(record, "server") ?? ""} max={40} />
              </span>
              <span class="what">
                {isCall ? (
                  <>
                    <b>
                      <Foreign text={text(record, "tool") ?? text(record, "target") ?? text(record, "method") ?? ""} max={64} />
                    </b>{" "}
                    <span class="muted">
                      <Foreign text={text(record, "error") ?? text(record, "client") ?? ""} max={160} />
                    </span>
                  </>
                ) : (
                  <Foreign text={text(record, "message") ?? ""} max={240} />
                )}
              </span>
              <span class="hidden">{t.keys.open}</span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}

/** One record: what matters first, then everything. */
function One({ record, onClose }: { record: Rec; onClose: () => void }) {
  const t = useWords();
  const params = text(record, "params");
  const trace = text(record, "trace_id");
  const isCall = text(record, "kind") === "call";
  const title = `${text(record, "kind") ?? ""} ${text(record, "tool") ?? text(record, "method") ?? text(record, "event") ?? ""}`.slice(0, 80);
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="stack">
        <div class="row">
          <Status tone={toneOfRecord(record)}>
            <Foreign text={text(record, "outcome") ?? text(record, "level") ?? ""} />
          </Status>
          {value(record, "status") === undefined ? null : <span>{value(record, "status")}</span>}
          <b>{value(record, "duration") === undefined ? "" : duration((value(record, "duration") ?? 0) / 1000)}</b>
          <span class="muted">{text(record, "timestamp")}</span>
          {trace === undefined ? null : <Link to={href("trace", { id: trace })}>{t.calls.trace}</Link>}
        </div>
        {isCall ? <Timeline record={record} /> : null}
        {text(record, "error") === undefined ? null : (
          <div>
            <h3>{t.calls.error}</h3>
            <Foreign text={record["error"]} block />
          </div>
        )}
        {isCall ? (
          <div>
            <h3>{t.calls.params}</h3>
            {params === undefined ? <p class="muted">{t.calls.paramsOff}</p> : <pre class="json">{<Foreign text={laidOut(params)} max={20000} block />}</pre>}
          </div>
        ) : null}
        <details>
          <summary>{t.calls.fields}</summary>
          <RecordFields of={Object.entries(record).filter(([name]) => name !== "params")} />
        </details>
      </div>
    </Dialog>
  );
}

/** Where a call's time went: waiting, the server, us. */
function Timeline({ record }: { record: Rec }) {
  const whole = value(record, "duration");
  const start = value(record, "upstream_start_ms");
  const took = value(record, "upstream_ms");
  if (whole === undefined || whole <= 0 || start === undefined || took === undefined) return null;
  const share = (ms: number) => `${Math.max(0, Math.min(100, (ms / whole) * 100))}%`;
  return (
    <figure class="timeline">
      <div class="bar" role="img" aria-label={`${text(record, "server") ?? ""} ${duration(took / 1000)}`}>
        <span class="upstream" style={{ marginLeft: share(start), width: share(took) }} />
      </div>
      <figcaption class="muted">
        0 · <Foreign text={text(record, "server") ?? ""} max={40} /> {duration(took / 1000)} · pilothouse {duration((value(record, "overhead_ms") ?? 0) / 1000)}
      </figcaption>
    </figure>
  );
}

/** JSON with line ends; what is cut is no JSON, and stays as it is. */
function laidOut(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

