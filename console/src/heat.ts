// What a heat map shows: how many calls took how long, at what time. From the cumulative buckets of a histogram.

import type { Line } from "./api/prometheus";

export interface Heat {
  /** Beginnings of the columns; Unix seconds, ascending. */
  times: number[];
  /** Seconds between two columns. */
  step: number;
  /** Upper bounds of the rows in seconds, ascending; the last may be infinite. */
  bounds: number[];
  /** What calls of the first row took at least, in seconds. */
  floor: number;
  /** Calls by row and column. */
  cells: number[][];
  /** The most calls of one cell. */
  most: number;
}

/** Columns and rows of `sum by (le) (increase(…_bucket[step]))`; at most `columnsMax` columns. Rows without calls at either end are left out. */
export function heatOf(lines: readonly Line[], step: number, columnsMax: number): Heat {
  const buckets = lines
    .map((one) => ({ bound: one.labels["le"] === "+Inf" ? Infinity : Number(one.labels["le"]), line: one }))
    .filter((one) => !Number.isNaN(one.bound))
    .sort((a, b) => a.bound - b.bound);
  const all = [...new Set(buckets.flatMap((one) => one.line.times))].sort((a, b) => a - b);
  const first = all[0];
  const last = all.at(-1);
  if (first === undefined || last === undefined) return { times: [], step, bounds: [], floor: 0, cells: [], most: 0 };
  // More columns than there is room for are added up, each with the same number of its neighbours.
  const merged = Math.max(1, Math.ceil(((last - first) / step + 1) / Math.max(1, columnsMax)));
  const wide = step * merged;
  const count = Math.floor((last - first) / wide) + 1;
  let before: number[] = new Array<number>(count).fill(0);
  const cells = buckets.map(({ line }) => {
    const upTo = new Array<number>(count).fill(0);
    line.times.forEach((time, index) => {
      const column = Math.floor((time - first) / wide);
      upTo[column] = (upTo[column] ?? 0) + (line.values[index] ?? 0);
    });
    const row = upTo.map((value, column) => Math.max(0, value - (before[column] ?? 0)));
    before = upTo;
    return row;
  });
  const isFull = (row: number[]) => row.some((value) => value >= LEAST);
  const low = cells.findIndex(isFull);
  const high = cells.findLastIndex(isFull);
  if (low < 0) return { times: [], step: wide, bounds: [], floor: 0, cells: [], most: 0 };
  const shown = cells.slice(low, high + 1);
  return {
    // A value at a time is of the step that ends there.
    times: Array.from({ length: count }, (_, column) => first + column * wide - step),
    step: wide,
    bounds: buckets.slice(low, high + 1).map((one) => one.bound),
    floor: buckets[low - 1]?.bound ?? 0,
    cells: shown,
    most: Math.max(...shown.flat()),
  };
}

/** Extrapolation gives parts of calls; less than this of one is none. */
const LEAST = 0.05;

/** What a row's calls took at least, in seconds. */
export function lowerOf(heat: Heat, row: number): number {
  return row === 0 ? heat.floor : (heat.bounds[row - 1] ?? heat.floor);
}

/** Calls of each row, over all columns. */
export function totals(heat: Heat): number[] {
  return heat.cells.map((row) => row.reduce((sum, value) => sum + value, 0));
}

/** How dark a cell is, 0 to 1. A few calls among thousands are still to be seen. */
export function shade(value: number, most: number): number {
  return value < LEAST || most <= 0 ? 0 : 0.12 + 0.88 * (Math.log1p(value) / Math.log1p(Math.max(most, value)));
}
