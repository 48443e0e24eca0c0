// Measures of a bill, one after the other: what each takes off, and what is left. They stand in the address.

import { useState } from "preact/hooks";
import type { Schema } from "../api/client";
import { percent } from "../format";
import { useWords } from "../i18n";
import { HOWS, MEASURES_MAX, savesOf, type How, type Measure } from "../measures";
import { adjust } from "../route";
import { Empty, Foreign } from "./parts";

function keep(measures: Measure[]): void {
  adjust({ measures: measures.length === 0 ? undefined : JSON.stringify(measures) }, "replace");
}

export function Measures(props: { measures: Measure[]; rows: string[]; currency: string; wrong: string | undefined; settled: Schema["SettledBill"] | undefined }) {
  const t = useWords();
  const { measures, settled } = props;
  return (
    <div class="stack">
      {settled === undefined || settled.steps.length === 0 ? (
        measures.length === 0 ? <Empty>{t.cost.noMeasures}</Empty> : null
      ) : (
        <Before of={settled} />
      )}
      {measures.length === 0 ? null : (
        <ul class="measures">
          {measures.map((measure, index) => {
            const step = settled?.steps[index];
            return (
              <li key={index}>
                <span>
                  <b>
                    <Foreign text={measure.name} max={100} />
                  </b>{" "}
                  <span class="muted">
                    <Foreign text={measure.row} max={64} />
                  </span>
                  {step === undefined ? null : (
                    <>
                      <br />
                      <span class="muted">
                        {t.cost.step(step.saves, percent((step.permille_of_row ?? 0) / 10, 1), percent((step.permille_of_rest ?? 0) / 10, 1), percent((step.permille_of_total ?? 0) / 10, 1), step.leaves)}
                      </span>
                    </>
                  )}
                </span>
                <button type="button" class="quiet" aria-label={`${t.cost.remove}: ${String(measure.name).slice(0, 60)}`} onClick={() => keep(measures.filter((_, other) => other !== index))}>
                  ✕
                </button>
              </li>
            );
          })}
        </ul>
      )}
      <Add {...props} />
    </div>
  );
}

/** The bill before the measures and after them. */
function Before({ of }: { of: Schema["SettledBill"] }) {
  const t = useWords();
  const [total, rest] = [Number(of.total), Number(of.rest)];
  const share = total > 0 ? rest / total : 0;
  return (
    <div class="before-after">
      <span>{t.cost.before}</span>
      <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
        <rect width="100" height="10" class="was" />
      </svg>
      <b class="n">
        {of.total} {of.currency}
      </b>
      <span>{t.cost.after}</span>
      <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
        <rect width={Math.max(0.5, share * 100)} height="10" class="is" />
      </svg>
      <b class="n">
        {of.rest} {of.currency}
      </b>
      <p class="muted wide">
        {t.cost.saved(of.saved, percent((of.saved_permille_of_total ?? 0) / 10, 1))}
        {Number(of.saved_with_fewer_nodes) > 0 ? ` ${t.cost.onlyWithNodes(of.saved_with_fewer_nodes)}` : ""}
      </p>
    </div>
  );
}

function Add({ measures, rows, currency, wrong }: { measures: Measure[]; rows: string[]; currency: string; wrong: string | undefined }) {
  const t = useWords();
  const [name, setName] = useState("");
  const [row, setRow] = useState("");
  const [how, setHow] = useState<How>("permille_of_row");
  const [value, setValue] = useState("");
  const [nodes, setNodes] = useState(false);
  const [missing, setMissing] = useState<{ name?: string; value?: string }>({});

  function add(): void {
    const saves = savesOf(how, value);
    const found: typeof missing = {};
    if (name.trim() === "") found.name = t.cost.nameWrong;
    if (saves === undefined) found.value = how === "count" ? t.cost.countWrong : t.cost.valueWrong;
    setMissing(found);
    if (saves === undefined || found.name !== undefined) return;
    keep([...measures, { name: name.trim(), row: row === "" ? (rows[0] ?? "") : row, saves, needs_fewer_nodes: nodes }]);
    setName("");
    setValue("");
  }

  return (
    <form
      class="add-measure"
      aria-label={t.cost.add}
      onSubmit={(event) => {
        event.preventDefault();
        add();
      }}
    >
      <label class="field">
        {t.cost.measure}
        <input id="measure-name" value={name} maxLength={100} aria-invalid={missing.name !== undefined} aria-describedby="measure-name-wrong" onInput={(event) => setName(event.currentTarget.value)} />
        <span id="measure-name-wrong" class="wrong" role="alert">
          {missing.name ?? ""}
        </span>
      </label>
      <label class="field">
        {t.cost.row}
        <select value={row === "" ? rows[0] : row} onChange={(event) => setRow(event.currentTarget.value)}>
          {rows.map((one) => (
            <option key={one} value={one}>
              {one.slice(0, 64)}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        {t.cost.saves}
        <select value={how} onChange={(event) => setHow(HOWS[event.currentTarget.selectedIndex] ?? "amount")}>
          {HOWS.map((one) => (
            <option key={one} value={one}>
              {t.cost.hows[one]}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        {how === "amount" ? currency : how === "count" ? t.cost.count : "%"}
        <input
          id="measure-value"
          value={value}
          maxLength={32}
          placeholder={how === "count" ? "5 → 3" : how === "amount" ? "40" : "20"}
          aria-invalid={missing.value !== undefined || wrong !== undefined}
          aria-describedby="measure-wrong"
          onInput={(event) => setValue(event.currentTarget.value)}
        />
        <span id="measure-wrong" class="wrong" role="alert">
          {missing.value ?? wrong ?? ""}
        </span>
      </label>
      <label class="check wide">
        <input type="checkbox" checked={nodes} onChange={(event) => setNodes(event.currentTarget.checked)} /> {t.cost.needsNodes}
      </label>
      <div class="buttons wide">
        <button type="submit" disabled={measures.length >= MEASURES_MAX}>
          {t.cost.add}
        </button>
      </div>
    </form>
  );
}
