// Alerts: what fires and what is about to, who is not told, what was; and the objectives with their budgets over time.

import { useContext } from "preact/hooks";
import { get } from "../api/client";
import { alerts as loadAlerts, over, type ActiveAlert } from "../api/prometheus";
import { percent } from "../format";
import { useWords } from "../i18n";
import { useLoad } from "../load";
import { may, Me } from "../me";
import { adjust } from "../route";
import { useSpan } from "../span";
import type { Span } from "../time";
import { Alert } from "../ui/alert";
import { Chart, type Drawn } from "../ui/chart";
import { Empty, Section } from "../ui/parts";
import { Silences, Silencing, useSilences } from "../ui/silence";
import { useChanges } from "../use-changes";
import { byWeight, Changes, Loadable, NAMED_MAX, Objective } from "./overview";

const CHART_PIXELS = 1200;

export function Alerts() {
  const t = useWords();
  const me = useContext(Me);
  const { span, key } = useSpan();
  const alerts = useLoad((signal) => loadAlerts(signal), [], ["alerts"]);
  const silences = useSilences();
  const slos = useLoad((signal) => get("/api/pilothouse/slos", {}, signal), [], ["numbers"]);
  const history = useChanges(undefined, true);
  const budgets = useLoad((signal) => loadBudgets(span(), signal), [key], ["numbers"]);
  const isAllowed = may(me, "operator");
  const row = (alert: ActiveAlert, index: number) => (
    <Alert key={JSON.stringify(alert.labels)} alert={alert} named={alert.state === "firing" && index < NAMED_MAX}>
      <Silencing alert={alert} silences={silences} />
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
          <Loadable of={silences}>{(list) => <Silences list={list} isAllowed={isAllowed} again={silences.again} />}</Loadable>
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
