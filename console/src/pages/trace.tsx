// A trace: what waited for what, identical siblings as one row, and the lines that were written meanwhile.

import { useEffect, useState } from "preact/hooks";
import { get, Refused } from "../api/client";
import { clock, duration } from "../format";
import { useWords } from "../i18n";
import { useLoad } from "../load";
import { adjust, href } from "../route";
import { useSpan } from "../span";
import { line } from "../text";
import { within } from "../time";
import { Dialog, Empty, Foreign, Link, Loading, Problem, RecordFields, Section, Status } from "../ui/parts";
import { useRoute } from "../use-route";
import { Loadable } from "./overview";

interface Span {
  span_id: string;
  parent_span_id?: string;
  name: string;
  service: string;
  kind: string;
  start: number;
  duration: number;
  self: number;
  critical: number;
  outcome: string;
  failed: boolean;
  error?: string;
}
interface Row {
  depth: number;
  name: string;
  service: string;
  count: number;
  total: number;
  self: number;
  critical: number;
  waited_for: boolean;
  longest_self: boolean;
  failed: boolean;
  span_id: string;
}
interface Note {
  at: number;
  level: string;
  kind: string;
  source: string;
  message: string;
  span_id?: string;
}
interface Tree {
  start_unix_ns: string;
  duration: number;
  spans: Span[];
  rows: Row[];
  notes: Note[];
  omitted: { spans: number; notes: number; duplicates: number };
}

const SLOWEST = 20;
const ROWS_SHOWN = 400;
/** Lines that are marked on one row. */
const NOTES_DRAWN = 40;

export function TracePage() {
  const route = useRoute();
  const id = route.query.get("id");
  return (
    <>
      <Find key={id ?? ""} id={id ?? ""} />
      {id === null ? <Slowest /> : <One key={id} id={id} />}
    </>
  );
}

function Find({ id }: { id: string }) {
  const t = useWords();
  const [typed, setTyped] = useState(id);
  const [wrong, setWrong] = useState(false);
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        const given = typed.trim().toLowerCase();
        if (given !== "" && !/^[0-9a-f]{32}$/.test(given)) setWrong(true);
        else adjust({ id: given });
      }}
    >
      <label for="trace">{t.trace.id}</label>
      <div class="row">
        <div class="field">
          <input
            id="trace"
            class="mono"
            type="search"
            autocomplete="off"
            spellcheck={false}
            value={typed}
            aria-invalid={wrong}
            aria-describedby="trace-wrong"
            onInput={(event) => {
              setTyped(event.currentTarget.value);
              setWrong(false);
            }}
          />
        </div>
        <button type="submit" class="primary">
          {t.trace.open}
        </button>
      </div>
      <p id="trace-wrong" class="wrong" role="alert">
        {wrong ? t.trace.idWrong : ""}
      </p>
    </form>
  );
}

function Slowest() {
  const t = useWords();
  const { span, key } = useSpan();
  const slowest = useLoad(
    (signal) => get("/api/pilothouse/traces/slowest", { ...within(span()), limit: SLOWEST }, signal),
    [key],
  );
  return (
    <Section title={t.trace.slowest}>
      <Loadable of={slowest}>
        {(data) =>
          data.traces.length === 0 ? (
            <Empty>{t.trace.none}</Empty>
          ) : (
            <ol class="records rows">
              {data.traces.map((one) => {
                const record = one.record as Record<string, unknown>;
                return (
                  <li key={one.trace_id}>
                    <Link to={href("trace", { id: one.trace_id })} class="record">
                      <span class="time">{clock(Date.parse(String(record["timestamp"])) / 1000, true)}</span>
                      <span class="took">{duration(one.duration / 1000)}</span>
                      <span class="state">
                        <Status tone={record["level"] === "error" ? "bad" : record["level"] === "warn" ? "warn" : "good"}>
                          <Foreign text={record["outcome"]} max={30} />
                        </Status>
                      </span>
                      <span class="who">
                        <Foreign text={record["server"]} max={40} />
                      </span>
                      <span class="what">
                        <b>
                          <Foreign text={record["tool"] ?? record["method"]} max={64} />
                        </b>{" "}
                        <span class="muted">
                          <Foreign text={record["client"]} max={80} />
                        </span>
                      </span>
                    </Link>
                  </li>
                );
              })}
            </ol>
          )
        }
      </Loadable>
    </Section>
  );
}

/** For so long after the answer spans of the server may still come: until then they are looked for. */
const LATE_S = 60;

function secondsOf(unixNs: string): number {
  return Number(BigInt(unixNs) / 1_000_000n) / 1000;
}

function One({ id }: { id: string }) {
  const t = useWords();
  const [open, setOpen] = useState<Row | undefined>();
  const [isFresh, setFresh] = useState(true);
  const loaded = useLoad((signal) => get("/api/pilothouse/traces/{trace_id}", { trace_id: id }, signal), [id], isFresh ? ["numbers"] : []);
  useEffect(() => {
    const tree = loaded.data?.trace as unknown as Tree | undefined;
    if (tree !== undefined) setFresh(secondsOf(tree.start_unix_ns) + tree.duration / 1000 > Date.now() / 1000 - LATE_S);
  }, [loaded.data]);
  if (loaded.error !== undefined) {
    return loaded.error instanceof Refused && loaded.error.status === 400 ? (
      <Section title={t.pages.trace}>
        <p class="wrong">{t.trace.idWrong}</p>
      </Section>
    ) : (
      <Problem error={loaded.error} again={loaded.again} />
    );
  }
  if (loaded.data === undefined) return <Loading />;
  const tree = loaded.data.trace as unknown as Tree;
  const start = secondsOf(tree.start_unix_ns);
  const worst = tree.rows.find((row) => row.longest_self);
  return (
    <>
      <Section
        title={tree.rows[0] === undefined ? t.pages.trace : ""}
        class="trace"
        more={
          <div class="row wide">
            <h1>
              <Foreign text={tree.rows[0]?.name ?? id} max={120} />
            </h1>
            <b>{duration(tree.duration / 1000)}</b>
            <span class="muted">{t.trace.spans(tree.spans.length)}</span>
            <time class="muted">{clock(start, true)}</time>
          </div>
        }
      >
        {worst === undefined ? null : (
          <p>
            <Status tone="warn">
              {t.trace.bottleneck}: <Foreign text={worst.name} max={80} />
              {worst.count > 1 ? ` ${t.trace.folded(worst.count)}` : ""}
            </Status>{" "}
            <span class="muted">
              {t.trace.self} {duration(worst.self / 1000)}
            </span>
          </p>
        )}
        {!loaded.data.complete || tree.omitted.spans > 0 ? (
          <p>
            <Status tone="warn">{t.trace.parts}</Status>
          </p>
        ) : null}
        <Waterfall tree={tree} onOpen={setOpen} />
      </Section>
      {tree.notes.length === 0 ? null : (
        <Section title={t.trace.notes}>
          <ol class="lines mono">
            {tree.notes.slice(0, ROWS_SHOWN).map((note, index) => (
              <li key={index}>
                <time>{duration(note.at / 1000)}</time>
                <span class={note.level === "error" || note.level === "warn" ? "loud" : ""}>
                  <Foreign text={note.source} max={40} /> <Foreign text={note.message} max={1000} />
                </span>
              </li>
            ))}
          </ol>
        </Section>
      )}
      {open === undefined ? null : <Details row={open} records={loaded.data.records} tree={tree} onClose={() => setOpen(undefined)} />}
    </>
  );
}

/** Of the spans that a row stands for: from the first one's beginning to the last one's end. */
export function extent(row: Row, spans: readonly Span[]): { start: number; end: number } {
  const first = spans.find((span) => span.span_id === row.span_id);
  if (first === undefined) return { start: 0, end: row.total };
  if (row.count === 1) return { start: first.start, end: first.start + first.duration };
  const alike = spans.filter((span) => span.name === row.name && span.service === row.service && span.parent_span_id === first.parent_span_id);
  return {
    start: Math.min(...alike.map((span) => span.start)),
    end: Math.max(...alike.map((span) => span.start + span.duration)),
  };
}

function Waterfall({ tree, onOpen }: { tree: Tree; onOpen: (row: Row) => void }) {
  const t = useWords();
  const whole = Math.max(tree.duration, 0.001);
  const services = [...new Set(tree.rows.map((row) => row.service))];
  return (
    <div class="waterfall">
      <div class="axis" aria-hidden="true">
        {[0, 0.25, 0.5, 0.75, 1].map((share) => (
          <span key={share}>{duration((whole * share) / 1000)}</span>
        ))}
      </div>
      <ol class="rows">
        {tree.rows.slice(0, ROWS_SHOWN).map((row) => {
          const { start, end } = extent(row, tree.spans);
          const left = Math.max(0, Math.min(99.6, (start / whole) * 100));
          const width = Math.max(0.4, Math.min(100 - left, ((end - start) / whole) * 100));
          const color = `--line-${(services.indexOf(row.service) % 8) + 1}`;
          return (
            <li key={row.span_id}>
              <button type="button" class={`span ${row.waited_for ? "critical" : ""}`} onClick={() => onOpen(row)}>
                <span class="name" style={{ paddingLeft: `${Math.min(row.depth, 12) * 14}px` }}>
                  {row.failed ? <Status tone="bad">{""}</Status> : null}
                  <Foreign text={row.name} max={80} />
                  {row.count > 1 ? <b> {t.trace.folded(row.count)}</b> : null}
                  <span class="muted">
                    {" "}
                    <Foreign text={row.service} max={40} />
                  </span>
                </span>
                <span class="track">
                  <span class={`block ${row.count > 1 ? "folded" : ""}`} style={{ left: `${left}%`, width: `${width}%`, background: `var(${row.failed ? "--bad" : color})` }} />
                  {tree.notes
                    .filter((note) => note.span_id === row.span_id)
                    .slice(0, NOTES_DRAWN)
                    .map((note, index) => (
                      <span key={index} class={`note ${note.level}`} style={{ left: `${Math.max(0, Math.min(100, (note.at / whole) * 100))}%` }} title={line(note.message, 200)} />
                    ))}
                </span>
                <span class="took">
                  {duration(row.total / 1000)}
                  {row.longest_self ? <b class="worst"> ◀ {t.trace.bottleneck}</b> : null}
                </span>
              </button>
            </li>
          );
        })}
      </ol>
    </div>
  );
}

function Details({ row, records, tree, onClose }: { row: Row; records: Record<string, unknown>[]; tree: Tree; onClose: () => void }) {
  const t = useWords();
  const span = tree.spans.find((one) => one.span_id === row.span_id);
  const record = records.find((one) => one["span_id"] === row.span_id && (one["kind"] === "span" || one["kind"] === "call"));
  return (
    <Dialog title={row.name.slice(0, 80)} onClose={onClose}>
      <div class="stack">
        <dl class="facts">
          <Pair name={t.trace.total} value={duration(row.total / 1000)} />
          <Pair name={t.trace.self} value={duration(row.self / 1000)} />
          <Pair name={t.trace.critical} value={duration(row.critical / 1000)} />
          {row.count > 1 ? <Pair name={t.trace.spans(2).replace(/[0-9 ]+/, "")} value={String(row.count)} /> : null}
        </dl>
        {span?.error === undefined ? null : <Foreign text={span.error} block />}
        {record === undefined ? null : (
          <RecordFields of={Object.entries(record)} />
        )}
      </div>
    </Dialog>
  );
}

function Pair({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
