// Numbers, durations and times as people read them.

/** Three figures that mean something: `0.042`, `1.23`, `987`, `12.3k`. */
export function number(value: number | undefined | null): string {
  if (value === undefined || value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e9) return `${figures(value / 1e9)}G`;
  if (size >= 1e6) return `${figures(value / 1e6)}M`;
  if (size >= 1e4) return `${figures(value / 1e3)}k`;
  if (size < 0.001) return value.toExponential(1);
  return figures(value);
}

function figures(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toString();
  if (size >= 10) return trim(value.toFixed(1));
  return trim(value.toPrecision(size >= 1 ? 3 : 2));
}

function trim(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** Seconds: `3.2 ms`, `1.24 s`, `5 min`. */
export function duration(s: number | undefined | null): string {
  if (s === undefined || s === null || !Number.isFinite(s)) return "–";
  const size = Math.abs(s);
  if (size === 0) return "0 ms";
  if (size < 0.001) return `${figures(s * 1e6)} µs`;
  if (size < 1) return `${figures(s * 1000)} ms`;
  if (size < 120) return `${figures(s)} s`;
  if (size < 7200) return `${Math.round(s / 60)} min`;
  if (size < 172800) return `${trim((s / 3600).toFixed(1))} h`;
  return `${trim((s / 86400).toFixed(1))} d`;
}

/** Bytes: `12.3 MiB`. */
export function bytes(value: number | undefined | null): string {
  if (value === undefined || value === null || !Number.isFinite(value)) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${figures(size)} ${units[unit] ?? "B"}`;
}

/** A share: `0.42 %`; a target keeps its nines. */
export function percent(value: number | undefined | null, digits = 2): string {
  if (value === undefined || value === null || !Number.isFinite(value)) return "–";
  return `${trim(value.toFixed(digits))} %`;
}

/** The time of day, with the day where it is another one. */
export function clock(unixS: number, withSeconds = false): string {
  const date = new Date(unixS * 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  const time = `${two(date.getHours())}:${two(date.getMinutes())}${withSeconds ? `:${two(date.getSeconds())}` : ""}`;
  const isToday = new Date().toDateString() === date.toDateString();
  return isToday ? time : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

export function whole(unixS: number): string {
  return new Date(unixS * 1000).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
}
