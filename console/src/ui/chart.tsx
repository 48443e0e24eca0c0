// Time series, drawn by uPlot. What the canvas shows stands beside it as text, too: the last value of each series.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { align, alone } from "../align";
import { clock } from "../format";
import { line } from "../text";
import { useTheme } from "../theme";
import type { Span } from "../time";

export interface Drawn {
  label: string;
  times: number[];
  values: number[];
  /** Drawn as what was before: grey and dashed. */
  before?: boolean;
  /** A value holds until the next one. */
  stepped?: boolean;
  /** Always in this colour: a name of the style sheet. */
  color?: string;
}

/** Something that happened. */
export interface Mark {
  at: number;
  text: string;
  tone: "change" | "bad";
}

export interface ChartProps {
  /** What it is of: the accessible name. */
  title: string;
  span: Span;
  series: Drawn[];
  marks?: Mark[];
  format: (value: number) => string;
  height?: number;
  onZoom?: (from: number, to: number) => void;
}

const COLORS = 8;
/** The shortest stretch that a chart is drawn out to. */
const ZOOM_S_MIN = 60;
/** On a wall there is room. */
const HEIGHT = window.innerHeight >= 1200 ? 270 : 170;
const STEPPED = uPlot.paths.stepped?.({ align: 1 });

function css(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function colorOf(one: Drawn, index: number): string {
  return one.before === true ? css("--before") : css(one.color ?? `--line-${(index % COLORS) + 1}`);
}

export function Chart(props: ChartProps) {
  const theme = useTheme();
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const newest = useRef(props);
  newest.current = props;
  const [at, setAt] = useState<number | null>(null);
  const data = useMemo(() => align(props.series), [props.series]);
  const shape = props.series.map((one) => `${one.label}\u0000${one.before === true}\u0000${one.color ?? ""}`).join("\u0001");
  const height = props.height ?? HEIGHT;

  useEffect(() => {
    const parent = box.current;
    if (parent === null) return;
    const width = () => Math.max(120, parent.clientWidth);
    const axis: uPlot.Axis = {
      stroke: css("--muted"),
      grid: { stroke: css("--grid"), width: 1 },
      ticks: { show: false },
      font: `11px ${getComputedStyle(document.body).fontFamily}`,
    };
    const made = new uPlot(
      {
        width: width(),
        height,
        legend: { show: false },
        cursor: {
          y: false,
          points: { size: 6 },
          drag: { x: newest.current.onZoom !== undefined, y: false, setScale: false },
        },
        scales: {
          x: { time: true, range: () => [newest.current.span.from, newest.current.span.to] },
          y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.15 : 1] },
        },
        axes: [
          { ...axis, space: 70, size: 26, values: (_u, times) => times.map((time) => tick(time, newest.current.span)) },
          { ...axis, size: 58, values: (_u, values) => values.map((value) => newest.current.format(value)) },
        ],
        series: [
          {},
          ...newest.current.series.map((one, index) => ({
            label: one.label,
            stroke: colorOf(one, index),
            width: one.before === true ? 1.25 : 1.75,
            ...(one.before === true ? { dash: [5, 4] } : {}),
            ...(one.stepped === true ? { paths: STEPPED } : {}),
            points: { show: false, size: 4, filter: (u: uPlot, at: number) => alone(u.data[at] ?? []) },
            spanGaps: false,
          })),
        ],
        hooks: {
          drawClear: [(u) => drawMarks(u, newest.current.marks ?? [])],
          setCursor: [(u) => setAt(u.cursor.idx ?? null)],
          setSelect: [
            (u) => {
              if (u.select.width < 4) return;
              const from = u.posToVal(u.select.left, "x");
              const to = u.posToVal(u.select.left + u.select.width, "x");
              u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
              // What is drawn out too narrow to show anything is taken as that place, and a minute around it.
              const more = Math.max(0, ZOOM_S_MIN - (to - from)) / 2;
              newest.current.onZoom?.(Math.floor(from - more), Math.ceil(to + more));
            },
          ],
        },
      },
      data as uPlot.AlignedData,
      parent,
    );
    plot.current = made;
    const watcher = new ResizeObserver(() => made.setSize({ width: width(), height }));
    watcher.observe(parent);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [shape, theme, height]);

  useEffect(() => {
    plot.current?.setData(data as uPlot.AlignedData);
  }, [data, props.span.from, props.span.to, props.marks]);

  const time = at === null ? undefined : data[0][at];
  const near = time === undefined ? [] : marksNear(props.marks ?? [], time, props.span);
  return (
    <figure class="chart">
      <div ref={box} class="plot" style={{ minHeight: `${height}px` }} role="img" aria-label={`${props.title}: ${summary(props)}`} />
      <figcaption class="legend">
        <span class="when">{time === undefined ? "" : clock(time, true)}</span>
        {props.series.map((one, index) => (
          <span key={one.label} class={`entry ${one.before === true ? "before" : ""}`}>
            <span class="swatch" style={{ background: `var(${one.before === true ? "--before" : (one.color ?? `--line-${(index % COLORS) + 1}`)})` }} />
            <bdi>{line(one.label, 60)}</bdi>
            <b>{shownValue(data[index + 1], at, props.format)}</b>
          </span>
        ))}
        {near.map((mark) => (
          <span key={`${mark.at}${mark.text}`} class={`entry mark ${mark.tone}`}>
            ◆ {clock(mark.at, true)} <bdi>{line(mark.text, 80)}</bdi>
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

function shownValue(row: readonly (number | null)[] | undefined, at: number | null, format: (value: number) => string): string {
  if (row === undefined) return "–";
  const value = at === null ? row.findLast((one) => one !== null) : row[at];
  return value === null || value === undefined ? "–" : format(value);
}

function summary(props: ChartProps): string {
  if (props.series.length === 0) return "–";
  const last = (values: number[]) => values.findLast((value) => Number.isFinite(value));
  return props.series
    .slice(0, 12)
    .map((one) => {
      const value = last(one.values);
      return `${line(one.label, 60)} ${value === undefined ? "–" : props.format(value)}`;
    })
    .join(", ");
}

function tick(time: number, span: Span): string {
  const date = new Date(time * 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  const long = span.to - span.from;
  if (long > 3 * 86400) return `${date.getMonth() + 1}/${date.getDate()}`;
  const minutes = `${two(date.getHours())}:${two(date.getMinutes())}`;
  return long < 600 ? `${minutes}:${two(date.getSeconds())}` : minutes;
}

function marksNear(marks: readonly Mark[], time: number, span: Span): Mark[] {
  const close = (span.to - span.from) / 60;
  return marks.filter((mark) => Math.abs(mark.at - time) <= close).slice(0, 4);
}

function drawMarks(u: uPlot, marks: readonly Mark[]): void {
  const context = u.ctx;
  const colors = { bad: css("--bad"), change: css("--change") };
  context.save();
  for (const mark of marks) {
    const x = u.valToPos(mark.at, "x", true);
    if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
    context.strokeStyle = colors[mark.tone];
    context.fillStyle = context.strokeStyle;
    context.lineWidth = devicePixelRatio;
    context.setLineDash([2 * devicePixelRatio, 2 * devicePixelRatio]);
    context.beginPath();
    context.moveTo(x, u.bbox.top);
    context.lineTo(x, u.bbox.top + u.bbox.height);
    context.stroke();
    const size = 4 * devicePixelRatio;
    context.beginPath();
    context.moveTo(x, u.bbox.top - size);
    context.lineTo(x + size, u.bbox.top);
    context.lineTo(x, u.bbox.top + size);
    context.lineTo(x - size, u.bbox.top);
    context.fill();
  }
  context.restore();
}

/** A line without axes, for a tile. */
export function Spark({ values, title }: { values: number[]; title: string }) {
  const finite = values.filter((value) => Number.isFinite(value));
  const top = Math.max(...finite, 0);
  if (finite.length < 2 || top === 0) return <svg class="spark" viewBox="0 0 100 24" role="img" aria-label={title} />;
  const points = values
    .map((value, index) => (Number.isFinite(value) ? `${((index / (values.length - 1)) * 100).toFixed(1)},${(22 - (value / top) * 20).toFixed(1)}` : ""))
    .filter((point) => point !== "")
    .join(" ");
  return (
    <svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label={title}>
      <polyline points={points} fill="none" vector-effect="non-scaling-stroke" />
    </svg>
  );
}
