// Calls by how long they took, over time: one cell for each bucket and step. A cell leads to its calls.

import { useEffect, useRef, useState } from "preact/hooks";
import { clock, duration, number, percent } from "../format";
import { lowerOf, shade, totals, type Heat } from "../heat";
import { useWords } from "../i18n";
import { go } from "../route";
import { line } from "../text";
import { useTheme } from "../theme";
import type { Span } from "../time";
import type { Mark } from "./chart";
import { Link } from "./parts";

const ROW_PX = 15;
const AXIS_PX = 58;
/** Pixels that a column has at least. */
export const COLUMN_PX = 5;

export interface HeatProps {
  title: string;
  span: Span;
  heat: Heat;
  marks: readonly Mark[];
  /** The address of the calls of a time that took longer than `above` seconds and no longer than `upTo`. */
  linkTo: (from: number, to: number, above: number, upTo: number) => string;
}

export function HeatMap({ title, span, heat, marks, linkTo }: HeatProps) {
  const t = useWords();
  const theme = useTheme();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [at, setAt] = useState<{ row: number; column: number } | undefined>();
  const rows = heat.bounds.length;
  const height = Math.max(3, rows) * ROW_PX;
  const low = (row: number) => lowerOf(heat, row);
  const name = (row: number) => {
    const upper = heat.bounds[row] ?? Infinity;
    return upper === Infinity ? `> ${duration(low(row))}` : `${low(row) === 0 ? "0" : duration(low(row))} – ${duration(upper)}`;
  };

  useEffect(() => {
    const on = canvas.current;
    if (on === null) return;
    const draw = () => paint(on, height, span, heat, marks);
    draw();
    const watcher = new ResizeObserver(draw);
    watcher.observe(on);
    return () => watcher.disconnect();
  }, [heat, marks, theme, height, span.from, span.to]);

  const find = (event: MouseEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const row = rows - 1 - Math.floor(((event.clientY - box.top) / box.height) * rows);
    const time = span.from + ((event.clientX - box.left) / box.width) * (span.to - span.from);
    const column = heat.times.findIndex((begin) => time >= begin && time < begin + heat.step);
    return row < 0 || row >= rows || column < 0 ? undefined : { row, column };
  };
  const value = at === undefined ? 0 : (heat.cells[at.row]?.[at.column] ?? 0);
  const begin = at === undefined ? 0 : (heat.times[at.column] ?? 0);
  const sums = totals(heat);
  const whole = sums.reduce((sum, one) => sum + one, 0);
  const fullest = sums.indexOf(Math.max(...sums));
  const near = at === undefined ? [] : marks.filter((mark) => mark.at >= begin - heat.step && mark.at < begin + 2 * heat.step).slice(0, 3);
  return (
    <figure class="heat">
      <div class="plot">
        <div class="axis" aria-hidden="true" style={{ width: `${AXIS_PX}px`, height: `${height}px` }}>
          {heat.bounds.map((bound, row) => (
            <span key={bound} style={{ bottom: `${(row + 1) * ROW_PX - 7}px` }}>
              {bound === Infinity ? "" : duration(bound)}
            </span>
          ))}
        </div>
        <canvas
          ref={canvas}
          style={{ height: `${height}px` }}
          role="img"
          aria-label={t.heat.summary(title, number(whole), name(fullest), name(rows - 1))}
          onMouseMove={(event) => setAt(find(event))}
          onMouseLeave={() => setAt(undefined)}
          onClick={(event) => {
            const cell = find(event);
            const from = cell === undefined ? undefined : heat.times[cell.column];
            if (cell !== undefined && from !== undefined) go(linkTo(from, from + heat.step, low(cell.row), heat.bounds[cell.row] ?? Infinity));
          }}
        />
      </div>
      <figcaption class="muted">
        <span>{clock(span.from)}</span>
        <span>
          {at === undefined ? t.heat.hint : `${clock(begin, true)}, ${name(at.row)}: ${number(value < 1 ? Math.ceil(value * 10) / 10 : Math.round(value))}`}
          {near.map((mark) => (
            <span key={`${mark.at}${mark.text}`} class={`mark ${mark.tone}`}>
              {" "}
              ◆ {clock(mark.at, true)} <bdi>{line(mark.text, 80)}</bdi>
            </span>
          ))}
        </span>
        <span>{clock(span.to)}</span>
      </figcaption>
      <details>
        <summary>{t.heat.table}</summary>
        <table>
          <thead>
            <tr>
              <th>{t.calls.duration}</th>
              <th class="n">{t.server.callsShort}</th>
              <th class="n">{t.heat.share}</th>
            </tr>
          </thead>
          <tbody>
            {sums.map((sum, row) => (
              <tr key={name(row)}>
                <td>
                  <Link to={linkTo(span.from, span.to, low(row), heat.bounds[row] ?? Infinity)}>{name(row)}</Link>
                </td>
                <td class="n">{number(Math.round(sum))}</td>
                <td class="n">{percent((sum / whole) * 100, 1)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}

function css(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function paint(on: HTMLCanvasElement, height: number, span: Span, heat: Heat, marks: readonly Mark[]): void {
  const wide = Math.max(1, Math.round(on.clientWidth * devicePixelRatio));
  const high = Math.round(height * devicePixelRatio);
  if (on.width !== wide) on.width = wide;
  if (on.height !== high) on.height = high;
  const context = on.getContext("2d");
  if (context === null) return;
  context.clearRect(0, 0, wide, high);
  const x = (time: number) => ((time - span.from) / (span.to - span.from)) * wide;
  const rowHigh = high / Math.max(1, heat.bounds.length);
  context.fillStyle = css("--grid");
  for (let row = 1; row < heat.bounds.length; row += 1) context.fillRect(0, Math.round(high - row * rowHigh), wide, 1);
  context.fillStyle = css("--line-1");
  heat.cells.forEach((cells, row) => {
    const top = Math.round(high - (row + 1) * rowHigh);
    const bottom = Math.round(high - row * rowHigh);
    cells.forEach((value, column) => {
      const dark = shade(value, heat.most);
      const begin = heat.times[column];
      if (dark === 0 || begin === undefined) return;
      const left = Math.round(x(begin));
      context.globalAlpha = dark;
      context.fillRect(left, top, Math.max(1, Math.round(x(begin + heat.step)) - left - (rowHigh > 8 ? 1 : 0)), bottom - top - 1);
    });
  });
  context.globalAlpha = 1;
  context.lineWidth = devicePixelRatio;
  context.setLineDash([2 * devicePixelRatio, 2 * devicePixelRatio]);
  for (const mark of marks) {
    const at = x(mark.at);
    if (at < 0 || at > wide) continue;
    context.strokeStyle = css(mark.tone === "bad" ? "--bad" : "--change");
    context.beginPath();
    context.moveTo(at, 0);
    context.lineTo(at, high);
    context.stroke();
  }
  context.setLineDash([]);
}
