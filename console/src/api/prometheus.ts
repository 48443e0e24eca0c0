// Prometheus's HTTP API, whose answers its own documentation describes.

import { address, headers, Refused, unknown } from "./client";
import { resolutionOf, stepOf, type Span } from "../time";

export interface Vector {
  labels: Record<string, string>;
  value: number;
}
export interface Line {
  labels: Record<string, string>;
  /** Ascending; Unix seconds. */
  times: number[];
  values: number[];
}
export interface ActiveAlert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  state: "pending" | "firing";
  activeAt: string;
  value: string;
}

interface Envelope<T> {
  status: string;
  data: T;
  error?: string;
}

async function ask<T>(path: string, form: Record<string, string>, signal?: AbortSignal): Promise<T> {
  const url = address(path);
  const response = await fetch(url, {
    method: "POST",
    body: new URLSearchParams(form),
    headers: headers(),
    ...(signal === undefined ? {} : { signal }),
  });
  if (response.status === 401) unknown();
  const body = (await response.json()) as Envelope<T>;
  if (!response.ok) throw new Refused(response.status, body.error ?? response.statusText);
  return body.data;
}

interface Result {
  resultType: string;
  result: { metric: Record<string, string>; value?: [number, string]; values?: [number, string][] }[];
}

/** The value of an expression now. */
export async function now(query: string, signal?: AbortSignal, time?: number): Promise<Vector[]> {
  const form: Record<string, string> = { query, timeout: "20s" };
  if (time !== undefined) form["time"] = String(time);
  const data = await ask<Result>("/api/v1/query", form, signal);
  if (data.resultType === "scalar") {
    const pair = data.result as unknown as [number, string];
    return [{ labels: {}, value: Number(pair[1]) }];
  }
  return data.result.map((row) => ({ labels: row.metric, value: Number(row.value?.[1] ?? Number.NaN) }));
}

interface How {
  /** Seconds between two points; so that there are no more points than pixels. */
  step?: number;
  /** Of all samples, however long the span is. What somebody typed means what it says. */
  exact?: boolean;
}

/** Its values over a span, no more than there are pixels. */
export async function over(query: string, span: Span, pixels: number, signal?: AbortSignal, how: How = {}): Promise<Line[]> {
  const step = how.step ?? stepOf(span, pixels);
  const resolution = how.exact === true ? undefined : resolutionOf(step);
  const align = (time: number) => Math.floor(time / step) * step;
  const data = await ask<Result>(
    "/api/v1/query_range",
    { query, start: String(align(span.from)), end: String(align(span.to)), step: String(step), timeout: "20s", ...(resolution === undefined ? {} : { max_source_resolution: resolution }) },
    signal,
  );
  return data.result.map((row) => ({
    labels: row.metric,
    times: (row.values ?? []).map((pair) => pair[0]),
    values: (row.values ?? []).map((pair) => Number(pair[1])),
  }));
}

export async function alerts(signal?: AbortSignal): Promise<ActiveAlert[]> {
  const response = await fetch(address("/api/v1/alerts"), { headers: headers(), ...(signal === undefined ? {} : { signal }) });
  const body = (await response.json()) as Envelope<{ alerts: ActiveAlert[] }>;
  if (!response.ok) throw new Refused(response.status, body.error ?? response.statusText);
  return body.data.alerts;
}

/** A value as it stands in a matcher. */
export function quoted(value: string): string {
  return JSON.stringify(value);
}
