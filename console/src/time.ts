// The range of time that a page shows: up to now (`range=1h`), or fixed (`from`, `to` in Unix seconds).

export const RANGES = ["15m", "1h", "6h", "24h", "7d", "30d"] as const;
export const DEFAULT_RANGE = "1h";
const UNIT_S: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
/** Samples are taken so often unless somebody says otherwise. */
const SAMPLE_S = 15;

export interface Span {
  /** Unix seconds. */
  from: number;
  to: number;
  /** `undefined` when it is fixed. */
  range: string | undefined;
}

/** `90s`, `15m`, `1d` in seconds. */
export function seconds(text: string): number | undefined {
  const match = /^(\d{1,6})([smhdw])$/.exec(text);
  const unit = match === null ? undefined : UNIT_S[match[2] ?? ""];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}

export function spanOf(query: URLSearchParams, nowMs: number): Span {
  const now = Math.floor(nowMs / 1000);
  const from = Number(query.get("from") ?? Number.NaN);
  const to = Number(query.get("to") ?? Number.NaN);
  if (Number.isFinite(from) && Number.isFinite(to) && to > from && from > 0) return { from, to, range: undefined };
  const asked = query.get("range") ?? DEFAULT_RANGE;
  const long = seconds(asked);
  const range = long === undefined || long < 60 || long > 90 * 86400 ? DEFAULT_RANGE : asked;
  return { from: now - (seconds(range) ?? 3600), to: now, range };
}

/** The same for the API of records. What goes up to now is said in the words of the server's clock, not of this one. */
export function within(span: Span): { since: string } | { from: number; to: number } {
  return span.range === undefined ? { from: span.from, to: span.to } : { since: span.range };
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

/** Seconds between two points, so that there are no more points than pixels. */
export function stepOf(span: { from: number; to: number }, pixels: number): number {
  const least = (span.to - span.from) / Math.max(60, pixels / 2);
  return STEPS.find((step) => step >= least) ?? 86400;
}

/** A step from which on samples a minute apart are as good as all. */
const COARSE_STEP_S = 300;
const COARSE_S = 60;

/** How far apart samples may be for points so far apart; `undefined`: all are wanted. */
export function resolutionOf(step: number): string | undefined {
  return step >= COARSE_STEP_S ? `${COARSE_S}s` : undefined;
}

/** The window of a rate: four samples at least; and one more than the step has, so that nothing between two points is lost. */
export function windowOf(step: number): string {
  return `${Math.max(4 * SAMPLE_S, step + (step >= COARSE_STEP_S ? COARSE_S : SAMPLE_S))}s`;
}
