// Silences: made from an alert, listed, ended.

import { useContext, useState } from "preact/hooks";
import { get, post, remove, type Schema } from "../api/client";
import type { ActiveAlert } from "../api/prometheus";
import { clock } from "../format";
import { useWords } from "../i18n";
import { useLoad, type Loaded } from "../load";
import { may, Me } from "../me";
import { seconds } from "../time";
import { Dialog, Empty, Failed, Foreign, Status } from "./parts";

type Silence = Schema["Silence"];
const DURATIONS = ["1h", "4h", "24h", "168h"] as const;
/** Labels of ours that say nothing about what is wrong. */
const PLAIN = new Set(["job", "instance"]);

/** Those that hold or will hold, as they change. */
export function useSilences(): Loaded<Silence[]> {
  const all = useLoad((signal) => get("/api/v2/silences", {}, signal), [], ["silences"]);
  return { ...all, data: all.data?.filter((one) => one.status.state !== "expired") };
}

/** Of an alert: that it is silenced, or the button that silences it. */
export function Silencing({ alert, silences }: { alert: ActiveAlert; silences: Loaded<Silence[]> }) {
  const t = useWords();
  const me = useContext(Me);
  const [isOpen, setOpen] = useState(false);
  const isAllowed = may(me, "operator");
  if ((silences.data ?? []).some((silence) => holds(silence, alert.labels))) return <Status tone="none">{t.alerts.silenced}</Status>;
  return (
    <>
      <button type="button" disabled={!isAllowed} title={isAllowed ? undefined : t.action.needs("operator")} onClick={() => setOpen(true)}>
        {t.alerts.silence}
      </button>
      {isOpen ? (
        <MakeSilence
          alert={alert}
          by={me?.name ?? "console"}
          onClose={() => setOpen(false)}
          onDone={() => {
            setOpen(false);
            silences.again();
          }}
        />
      ) : null}
    </>
  );
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

export function Silences({ list, isAllowed, again }: { list: Silence[]; isAllowed: boolean; again: () => void }) {
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
            autofocus
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
