// Measures of a bill, as an address has them and as a form gives them.

export const HOWS = ["permille_of_row", "permille_of_rest", "amount", "count"] as const;
export type How = (typeof HOWS)[number];
export const MEASURES_MAX = 32;

export interface Measure {
  name: string;
  row: string;
  saves: Partial<Record<How, unknown>>;
  needs_fewer_nodes: boolean;
}

/** Those of the address; what is none is left out, since the API has the last word on the rest. */
export function readMeasures(text: string | null): Measure[] {
  try {
    const all: unknown = JSON.parse(text ?? "[]");
    const isOne = (one: unknown): one is Measure => typeof one === "object" && one !== null;
    return Array.isArray(all) ? all.filter(isOne).slice(0, MEASURES_MAX) : [];
  } catch {
    return [];
  }
}

/** What a field says as the API takes it; `undefined` when it is no such thing. */
export function savesOf(how: How, text: string): Measure["saves"] | undefined {
  if (how === "count") {
    const [from, to, ...rest] = text.split(/\s*(?:→|->|,|to|から)\s*/).map(decimal);
    return from === undefined || to === undefined || rest.length > 0 ? undefined : { count: { from_milli: Math.round(from * 1000), to_milli: Math.round(to * 1000) } };
  }
  const value = decimal(text);
  if (value === undefined) return undefined;
  return how === "amount" ? { amount: text.trim() } : { [how]: Math.round(value * 10) };
}

function decimal(text: string): number | undefined {
  return /^\d{1,9}(\.\d{1,6})?$/.test(text.trim()) ? Number(text) : undefined;
}
