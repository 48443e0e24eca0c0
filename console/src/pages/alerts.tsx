// Alerts: what fires and what is about to, who is not told, what was; and the objectives with their budgets over time.

import { useContext, useState } from "preact/hooks";
import { get, post, remove, type Schema } from "../api/client";
import { alerts as loadAlerts, over, type ActiveAlert } from "../api/prometheus";
import { clock, percent } from "../format";
import { useWords } from "../i18n";
import { useLoad } from "../load";
import { may, Me } from "../me";
import { adjust } from "../route";
import { useSpan } from "../span";
import { seconds, type Span } from "../time";
import { Alert } from "../ui/alert";
import { Chart, type Drawn } from "../ui/chart";
import { Dialog, Empty, Failed, Foreign, Section, Status } from "../ui/parts";
import { useChanges } from "../use-changes";
import { byWeight, Changes, Loadable, NAMED_MAX, Objective } from "./overview";

type Silence = Schema["Silence"];
const CHART_PIXELS = 1200;
const HISTORY = new Set(["alert_firing", "alert_resolved"]);
const DURATIONS = ["1h", "4h", "24h", "168h"] as const;
/** Labels of ours that say nothing about what is wrong. */
const PLAIN = new Set(["job", "instance"]);

export function Alerts() {
  const t = useWords();
  const me = useContext(Me);
  const { span, key } = useSpan();
  const [open, setOpen] = useState<ActiveAlert | undefined>();
  const alerts = useLoad((signal) => loadAlerts(signal), [], ["alerts"]);
  const silences = useLoad((signal) => get("/api/v2/silences", {}, signal), [], ["events"]);
  const slos = useLoad((signal) => get("/api/pilothouse/slos", {}, signal), [], ["numbers"]);
  const changes = useChanges();
  const history = { ...changes, data: changes.data?.filter((one) => HISTORY.has(one.kind)) };
  const budgets = useLoad((signal) => loadBudgets(span(), signal), [key], ["numbers"]);
  const isAllowed = may(me, "operator");
  const active = (silences.data ?? []).filter((one) => one.status.state !== "expired");
  const row = (alert: ActiveAlert, index: number) => (
    <Alert key={JSON.stringify(alert.labels)} alert={alert} named={alert.state === "firing" && index < NAMED_MAX}>
      {active.some((silence) => holds(silence, alert.labels)) ? (
        <Status tone="none">{t.alerts.silenced}</Status>
      ) : (
        <button type="button" disabled={!isAllowed} title={isAllowed ? undefined : t.action.needs("operator")} onClick={() => setOpen(alert)}>
          {t.alerts.silence}
        </button>
      )}
    </Alert>
  );
  return (
    <>
      <Section title={t.alerts.firing}>
        <Loadable of={alerts}>
          {(data) => {
            const firing = data.filter((alert) => alert.state === "firing").sort(byWeight);
            return firing.length === 0 ? <Empty>{t.overview.noAlerts}</Empty> : <ul class="alerts rows">{firing.map(row)}</ul>;
          }}
        </Loadable>
      </Section>
      <div class="columns">
        <Section title={t.alerts.pending}>
          <Loadable of={alerts}>
            {(data) => {
              const pending = data.filter((alert) => alert.state === "pending");
              return pending.length === 0 ? <Empty>{t.alerts.nonePending}</Empty> : <ul class="alerts rows">{pending.map(row)}</ul>;
            }}
          </Loadable>
        </Section>
        <Section title={t.alerts.silences}>
          <Loadable of={silences}>{() => <Silences list={active} isAllowed={isAllowed} again={silences.again} />}</Loadable>
        </Section>
      </div>
      <Section title={t.alerts.objectives}>
        <Loadable of={slos}>
          {(data) =>
            data.slos.length === 0 ? (
              <Empty>{t.overview.noObjectives}</Empty>
            ) : (
              <ul class="slos">
                {data.slos.map((slo) => (
                  <Objective key={slo.name} slo={slo} />
                ))}
              </ul>
            )
          }
        </Loadable>
      </Section>
      <Section title={t.alerts.budgets}>
        <Loadable of={budgets}>
          {(data) =>
            data.series.length === 0 ? (
              <Empty>{t.alerts.noBudgets}</Empty>
            ) : (
              <Chart
                title={t.alerts.budgets}
                span={data.span}
                series={data.series}
                format={(value) => percent(value * 100, 1)}
                onZoom={(from, to) => adjust({ from: String(from), to: String(to), range: undefined })}
              />
            )
          }
        </Loadable>
      </Section>
      <Section title={t.alerts.history}>
        <Loadable of={history}>{(list) => (list.length === 0 ? <Empty>{t.alerts.noHistory}</Empty> : <Changes list={list} max={100} />)}</Loadable>
      </Section>
      {open === undefined ? null : (
        <MakeSilence
          alert={open}
          by={me?.name ?? "console"}
          onClose={() => setOpen(undefined)}
          onDone={() => {
            setOpen(undefined);
            silences.again();
          }}
        />
      )}
    </>
  );
}

async function loadBudgets(span: Span, signal: AbortSignal): Promise<{ span: Span; series: Drawn[] }> {
  const lines = await over("slo:period_error_budget_remaining:ratio", span, CHART_PIXELS, signal);
  return {
    span,
    // What is overspent is nothing that is left; how much it is stands above.
    series: lines.map((one) => ({ label: one.labels["sloth_slo"] ?? "", times: one.times, values: one.values.map((value) => Math.max(0, value)) })),
  };
}

/** Whether a silence is about an alert. A regular expression holds for the whole value. */
export function holds(silence: Pick<Silence, "matchers">, labels: Record<string, string>): boolean {
  return silence.matchers.every((matcher) => {
    const value = labels[matcher.name] ?? "";
    let fits = value === matcher.value;
    if (matcher.isRegex) {
      try {
        fits = new RegExp(`^(?:${matcher.value})$`, "s").test(value);
      } catch {
        fits = false;
      }
    }
    return fits === (matcher.isEqual ?? true);
  });
}

function Silences({ list, isAllowed, again }: { list: Silence[]; isAllowed: boolean; again: () => void }) {
  const t = useWords();
  const [failed, setFailed] = useState<string | undefined>();
  if (list.length === 0) return <Empty>{t.alerts.noSilences}</Empty>;
  return (
    <>
      <ul class="silences rows">
        {list.map((silence) => (
          <li key={silence.id}>
            <span class="mono">
              <Foreign text={silence.matchers.map((one) => `${one.name}${one.isEqual === false ? "!" : ""}=${one.isRegex ? "~" : ""}"${one.value}"`).join(", ")} max={300} />
            </span>
            <span class="muted">
              {t.alerts.until(clock(Date.parse(silence.endsAt) / 1000))}, <Foreign text={t.alerts.by(silence.createdBy)} max={80} />: <Foreign text={silence.comment} max={200} />
            </span>
            <button
              type="button"
              disabled={!isAllowed}
              onClick={() => {
                setFailed(undefined);
                remove("/api/v2/silence/{id}", { id: silence.id }).then(again, (error: unknown) => setFailed(String(error)));
              }}
            >
              {t.alerts.expire}
            </button>
          </li>
        ))}
      </ul>
      <p class="wrong" role="alert">
        {failed === undefined ? "" : <Foreign text={failed} />}
      </p>
    </>
  );
}

function MakeSilence({ alert, by, onClose, onDone }: { alert: ActiveAlert; by: string; onClose: () => void; onDone: () => void }) {
  const t = useWords();
  const [long, setLong] = useState<string>(DURATIONS[0]);
  const [comment, setComment] = useState("");
  const [wrong, setWrong] = useState<string | undefined>();
  const [failed, setFailed] = useState<Error | undefined>();
  const labels = Object.entries(alert.labels).filter(([name]) => !PLAIN.has(name));

  function send(): void {
    if (comment.trim() === "") {
      setWrong(t.alerts.commentWrong);
      return;
    }
    const now = Date.now();
    const body: Schema["PostedSilence"] = {
      matchers: labels.map(([name, value]) => ({ name, value, isRegex: false, isEqual: true })),
      startsAt: new Date(now).toISOString(),
      endsAt: new Date(now + (seconds(long) ?? 3600) * 1000).toISOString(),
      createdBy: by,
      comment: comment.trim(),
      id: null,
    };
    post("/api/v2/silences", {}, body).then(onDone, (error: unknown) => setFailed(error instanceof Error ? error : new Error(String(error))));
  }

  return (
    <Dialog title={`${t.alerts.silence}: ${(alert.labels["alertname"] ?? "").slice(0, 80)}`} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <p>{t.alerts.silenceText}</p>
        <p class="mono">
          {labels.map(([name, value]) => (
            <span key={name} class="chip">
              <Foreign text={`${name}="${value}"`} max={120} />
            </span>
          ))}
        </p>
        <label>
          {t.alerts.duration}
          <select value={long} onChange={(event) => setLong(event.currentTarget.value)}>
            {DURATIONS.map((one) => (
              <option key={one} value={one}>
                {t.alerts.durations[one]}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t.alerts.comment}
          <input
            value={comment}
            maxLength={500}
            aria-invalid={wrong !== undefined}
            aria-describedby="comment-wrong"
            onInput={(event) => {
              setComment(event.currentTarget.value);
              setWrong(undefined);
            }}
          />
        </label>
        <p id="comment-wrong" class="wrong" role="alert">
          {wrong ?? ""}
        </p>
        <Failed error={failed} />
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {t.cancel}
          </button>
          <button type="submit" class="primary">
            {t.alerts.silence}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
