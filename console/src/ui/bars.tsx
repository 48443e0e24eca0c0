// How many records there are over time. A stretch of it becomes the range that is shown when it is chosen.

import { useState } from "preact/hooks";
import type { Schema } from "../api/client";
import { clock, number } from "../format";
import { useWords } from "../i18n";

const HEIGHT = 64;

export function Bars({ data, title, onZoom }: { data: Schema["Histogram"]; title: string; onZoom: (from: number, to: number) => void }) {
  const t = useWords();
  const [at, setAt] = useState<number | undefined>();
  const top = Math.max(...data.bars.map((bar) => bar.records), 1);
  const step = (data.to - data.from) / Math.max(1, data.bars.length);
  const total = data.bars.reduce((sum, bar) => sum + bar.records, 0);
  const errors = data.bars.reduce((sum, bar) => sum + bar.errors, 0);
  // Before this not everything was counted.
  const since = data.complete_from == null ? 0 : Math.max(0, Math.min(data.bars.length, (data.complete_from - data.from) / step));
  const bar = at === undefined ? undefined : data.bars[at];
  const place = (event: MouseEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return Math.max(0, Math.min(data.bars.length - 1, Math.floor(((event.clientX - box.left) / box.width) * data.bars.length)));
  };
  return (
    <figure class="bars">
      <svg
        viewBox={`0 0 ${data.bars.length} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title}: ${total}, ${t.server.failures} ${errors}`}
        onMouseMove={(event) => setAt(place(event))}
        onMouseLeave={() => setAt(undefined)}
        onClick={(event) => {
          const chosen = place(event);
          const from = Math.floor(data.from + chosen * step);
          onZoom(from, Math.max(from + 30, Math.ceil(from + step)));
        }}
      >
        {since === 0 ? null : <rect x={0} y={0} width={since} height={HEIGHT} class="uncounted" />}
        {data.bars.map((one, index) => {
          const height = (one.records / top) * HEIGHT;
          const failed = (one.errors / top) * HEIGHT;
          return (
            <g key={index}>
              {one.records === 0 ? null : <rect x={index + 0.1} y={HEIGHT - height} width={0.8} height={height - failed} class="fine" />}
              {one.errors === 0 ? null : <rect x={index + 0.1} y={HEIGHT - failed} width={0.8} height={failed} class="failed" />}
            </g>
          );
        })}
      </svg>
      <figcaption class="muted">
        <span>{clock(data.from)}</span>
        <span>
          {bar === undefined || at === undefined
            ? `${number(total)}, ${t.server.failures} ${number(errors)}`
            : `${clock(data.from + at * step, true)}: ${number(bar.records)}, ${t.server.failures} ${number(bar.errors)}`}
        </span>
        <span>{clock(data.to)}</span>
      </figcaption>
    </figure>
  );
}
