// Completion of the query language of logs (docs/query.md).

export const FIELDS: readonly (readonly [string, string])[] = [
  ["tool", "tool=searchFiles"],
  ["server", "server=files"],
  ["status", "status=5xx"],
  ["duration", "duration>=2s"],
  ["outcome", "outcome=tool_error"],
  ["client", 'client="claude*"'],
  ["kind", "kind=call|stderr|event"],
  ["level", "level>=warn"],
  ["error", 'error~"timed? out"'],
  ["method", "method=tools/call"],
  ["trace_id", "trace_id=…"],
  ["session", "session=*"],
  ["params.", "params.pattern~…"],
  ["target", "target=…"],
  ["http_status", "http_status=429"],
  ["blame", "blame=upstream"],
  ["rpc_code", "rpc_code=-32602"],
  ["overhead_ms", "overhead_ms>5"],
  ["waited_on_client_ms", "waited_on_client_ms>1s"],
  ["upstream_ms", "upstream_ms>1s"],
  ["request_bytes", "request_bytes>1MiB"],
  ["response_bytes", "response_bytes>1MiB"],
  ["event", "event=restart"],
  ["message", "message~…"],
  ["replica", "replica=0"],
  ["stream", "stream=true"],
  ["attr.", "attr.db.system=sqlite"],
];
const VALUES: Record<string, readonly string[]> = {
  kind: ["call", "stderr", "event", "span", "log", "file"],
  level: ["error", "warn", "info", "debug"],
  outcome: ["ok", "tool_error", "protocol_error", "refused", "timeout", "unavailable", "cancelled", "client_gone", "input_required", "task"],
  blame: ["nobody", "caller", "upstream", "gateway"],
  status: ["200", "4xx", "5xx", "429", "502", "503", "504"],
  era: ["modern", "legacy"],
};
const OFFERED_MAX = 8;

export interface Offer {
  word: string;
  about: string;
  /** The query with the word in it. */
  whole: string;
}

/** What could be meant by the word that ends at `at`. */
export function complete(query: string, at: number): Offer[] {
  const before = query.slice(0, at);
  // Within quotes everything is text.
  if ((before.match(/(?<!\\)"/g) ?? []).length % 2 === 1) return [];
  const word = /[^\s()|]*$/.exec(before)?.[0] ?? "";
  const begin = at - word.length;
  const put = (text: string) => query.slice(0, begin) + text + query.slice(at);
  const sign = /^(-?)([a-z_.]+)(!?=|[<>]=?)(.*)$/.exec(word);
  if (sign !== null) {
    const [, minus, name, how, typed] = sign;
    return (VALUES[name ?? ""] ?? [])
      .filter((value) => value.startsWith(typed ?? "") && value !== typed)
      .slice(0, OFFERED_MAX)
      .map((value) => ({ word: value, about: "", whole: put(`${minus}${name}${how}${value} `) }));
  }
  if (word === "" || word.startsWith('"')) return [];
  return FIELDS.filter(([name]) => name.startsWith(word.replace(/^-/, "")) && name !== word)
    .slice(0, OFFERED_MAX)
    .map(([name, about]) => ({ word: name, about, whole: put(`${word.startsWith("-") ? "-" : ""}${name}${name.endsWith(".") ? "" : "="}`) }));
}
