// What somebody wants to try: how servers are asked for and scaled, today and as it is proposed, and what that is priced by.
// All of it stands in the address. What is wrong the API says, and it is shown beside its field.

import { useState } from "preact/hooks";
import { useLive } from "../api/live";
import { useWords } from "../i18n";
import { adjust } from "../route";

export const FIELDS = [
  "server",
  "cpu_request",
  "cpu_limit",
  "memory_request",
  "memory_limit",
  "min",
  "max",
  "cpu_target",
  "rate_target",
  "new_min",
  "new_max",
  "new_cpu_target",
  "new_rate_target",
  "slo_latency",
  "objective",
  "start",
  "cpu_hour",
  "gib_hour",
  "search",
] as const;
export type Field = (typeof FIELDS)[number];

/** What is taken where nothing is given. */
const TAKEN: Partial<Record<Field, string>> = {
  cpu_request: "250m",
  memory_request: "256Mi",
  min: "2",
  max: "10",
  cpu_target: "70",
  rate_target: "0",
  slo_latency: "500ms",
  objective: "95",
  start: "30s",
};
const GROUPS: readonly (readonly [string, readonly Field[]])[] = [
  ["replica", ["cpu_request", "cpu_limit", "memory_request", "memory_limit", "start"]],
  ["scaledToday", ["min", "max", "cpu_target", "rate_target"]],
  ["proposed", ["new_min", "new_max", "new_cpu_target", "new_rate_target"]],
  ["promise", ["slo_latency", "objective", "cpu_hour", "gib_hour"]],
];

export function WhatIf({ given, wrong, currency }: { given: Record<Field, string>; wrong: Record<string, string>; currency: string }) {
  const t = useWords();
  const live = useLive();
  const [typed, setTyped] = useState(given);
  const set = (name: Field, value: string) => setTyped((old) => ({ ...old, [name]: value }));
  const names = (live.servers ?? []).map((server) => server.name);
  return (
    <form
      class="what-if"
      aria-label={t.cost.whatIf}
      onSubmit={(event) => {
        event.preventDefault();
        adjust(Object.fromEntries(FIELDS.map((name) => [name, typed[name].trim()])));
      }}
    >
      <div class="row">
        <label class="field">
          {t.server.choose}
          <select value={typed.server} onChange={(event) => set("server", event.currentTarget.value)}>
            <option value="">{t.all}</option>
            {[...new Set([...names, ...(typed.server === "" ? [] : [typed.server])])].map((name) => (
              <option key={name} value={name}>
                {name.slice(0, 64)}
              </option>
            ))}
          </select>
        </label>
        <label class="check">
          <input type="checkbox" checked={typed.search === "true"} onChange={(event) => set("search", event.currentTarget.checked ? "true" : "")} /> {t.cost.search}
        </label>
      </div>
      <div class="groups">
        {GROUPS.map(([group, fields]) => (
          <fieldset key={group}>
            <legend>{t.cost.groups[group]}</legend>
            {fields.map((name) => (
              <label key={name} class="field">
                {t.cost.fields[name]}
                {name === "cpu_hour" || name === "gib_hour" ? ` (${currency})` : ""}
                <input
                  id={`what-if-${name}`}
                  value={typed[name]}
                  maxLength={32}
                  placeholder={TAKEN[name] ?? (name.startsWith("new_") ? t.cost.asToday : "")}
                  aria-invalid={wrong[name] !== undefined}
                  aria-describedby={`${name}-wrong`}
                  onInput={(event) => set(name, event.currentTarget.value)}
                />
                <span id={`${name}-wrong`} class="wrong" role="alert">
                  {wrong[name] ?? ""}
                </span>
              </label>
            ))}
          </fieldset>
        ))}
      </div>
      <div class="buttons">
        <button type="button" onClick={() => adjust(Object.fromEntries(FIELDS.map((name) => [name, undefined])))}>
          {t.cost.clear}
        </button>
        <button type="submit" class="primary">
          {t.cost.reckon}
        </button>
      </div>
    </form>
  );
}
