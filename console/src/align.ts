// Series over the same times, as a chart takes them.

type Row = (number | null)[];

/** All series over the same times, with gaps where one has no value; and where no one has any, for longer than a step. */
export function align(series: readonly { times: number[]; values: number[] }[]): [number[], ...Row[]] {
  const all = new Set<number>();
  for (const one of series) for (const time of one.times) all.add(time);
  const times = gapped([...all].sort((a, b) => a - b));
  const place = new Map(times.map((time, index) => [time, index]));
  const rows = series.map((one) => {
    const row: Row = new Array<number | null>(times.length).fill(null);
    one.times.forEach((time, index) => {
      const value = one.values[index];
      const at = place.get(time);
      if (at !== undefined && value !== undefined && Number.isFinite(value)) row[at] = value;
    });
    return row;
  });
  return [times, ...rows];
}

/** With one more time in each stretch that is longer than a step: a line would lie about what is not known. */
function gapped(times: number[]): number[] {
  const step = times.reduce((least, time, index) => (index === 0 ? least : Math.min(least, time - (times[index - 1] ?? time))), Infinity);
  return times.flatMap((time, index) => {
    const before = times[index - 1];
    return before !== undefined && time - before > step * 1.5 ? [before + step, time] : [time];
  });
}

/** Places of the values that have no neighbour, of which a line shows nothing; none for none. */
export function alone(row: ArrayLike<number | null | undefined>): number[] | null {
  const is = (at: number) => row[at] !== null && row[at] !== undefined;
  const found: number[] = [];
  for (let at = 0; at < row.length; at += 1) if (is(at) && !is(at - 1) && !is(at + 1)) found.push(at);
  return found.length === 0 ? null : found;
}
