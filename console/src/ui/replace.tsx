// Another version of a server in its place, step by step: asked for, and how far it has come.

import { useState } from "preact/hooks";
import { post, type Schema } from "../api/client";
import type { Server } from "../api/live";
import { duration } from "../format";
import { useWords } from "../i18n";
import { changeOf, packageOf, type Wrong } from "../replacement";
import { Dialog, Failed, Foreign, Section, Status, type Tone } from "./parts";

type Change = Schema["ServerChange"];
type Next = "pause_replacement" | "resume_replacement" | "undo_replacement";

export function Replace({ server, onClose, onDone }: { server: Server; onClose: () => void; onDone: () => void }) {
  const t = useWords();
  const [to, setTo] = useState(packageOf(server.command));
  const [steps, setSteps] = useState("10, 50, 100");
  const [every, setEvery] = useState("10m");
  const [wrong, setWrong] = useState<Wrong | undefined>();
  const [failed, setFailed] = useState<Error | undefined>();
  const [busy, setBusy] = useState(false);

  function send(): void {
    const read = changeOf(to, steps, every);
    setFailed(undefined);
    if ("wrong" in read) {
      setWrong(read.wrong);
      return;
    }
    setWrong(undefined);
    setBusy(true);
    post("/api/pilothouse/servers/{name}", { name: server.name }, read.change).then(onDone, (error: unknown) => {
      setBusy(false);
      setFailed(error instanceof Error ? error : new Error(String(error)));
    });
  }

  const field = (name: Wrong, label: string, value: string, set: (value: string) => void, hint: string) => (
    <label>
      {label}
      <input
        class="mono"
        name={name}
        value={value}
        maxLength={2000}
        spellcheck={false}
        autocapitalize="off"
        aria-invalid={wrong === name}
        aria-describedby={`${name}-hint ${name}-wrong`}
        onInput={(event) => {
          set(event.currentTarget.value);
          setWrong(undefined);
        }}
      />
      <span id={`${name}-hint`} class="muted">
        {hint}
      </span>
      <span id={`${name}-wrong`} class="wrong" role="alert">
        {wrong === name ? t.replace.wrong[name] : ""}
      </span>
    </label>
  );
  return (
    <Dialog title={t.action.confirm(t.action.replace, server.name)} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <p>{t.replace.text}</p>
        {server.command === undefined ? null : (
          <p class="mono muted">
            <Foreign text={server.command.join(" ")} max={400} />
          </p>
        )}
        {field("to", t.replace.to, to, setTo, t.replace.toHint)}
        {field("steps", t.replace.steps, steps, setSteps, t.replace.stepsHint)}
        {field("every", t.replace.every, every, setEvery, t.replace.everyHint)}
        <Failed error={failed} max={600} />
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {t.cancel}
          </button>
          <button type="submit" class="danger" disabled={busy}>
            {t.action.replace}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

const TONE: Record<string, Tone> = { going: "good", paused: "warn", draining: "none", undoing: "warn" };

/** How far a replacement has come, and what can be done about it. */
export function Replacement({ server, isAllowed }: { server: Server; isAllowed: boolean }) {
  const t = useWords();
  const [failed, setFailed] = useState<Error | undefined>();
  const [asked, setAsked] = useState<Next | undefined>();
  const of = server.replacement;
  if (of === undefined || of === null) return null;
  const send = (action: Next) => {
    setFailed(undefined);
    post("/api/pilothouse/servers/{name}", { name: server.name }, { action } satisfies Change)
      .catch((error: unknown) => setFailed(error instanceof Error ? error : new Error(String(error))))
      .finally(() => setAsked(undefined));
  };
  const isOver = of.state === "draining" || of.state === "undoing";
  const goesOn: Next | undefined = isOver ? undefined : of.state === "paused" || of.every_seconds == null ? "resume_replacement" : "pause_replacement";
  return (
    <Section
      title={t.replace.title}
      class="replacement"
      more={
        <div class="row">
          {goesOn === undefined ? null : (
            <button type="button" disabled={!isAllowed || (goesOn === "resume_replacement" && of.state !== "paused")} onClick={() => send(goesOn)}>
              {t.replace[goesOn]}
            </button>
          )}
          {of.state === "undoing" ? null : (
            <button type="button" class="danger" disabled={!isAllowed} onClick={() => setAsked("undo_replacement")}>
              {t.replace.undo_replacement}
            </button>
          )}
        </div>
      }
    >
      <div class="row">
        <Status tone={TONE[of.state] ?? "none"}>{t.replace.state[of.state] ?? of.state}</Status>
        <b>{t.replace.share(of.weight)}</b>
        <span class="muted">{t.replace.step(of.step, of.steps.length, of.every_seconds == null ? undefined : duration(of.every_seconds))}</span>
        {of.up ? null : <Status tone="warn">{t.replace.waits}</Status>}
      </div>
      <ol class="steps" aria-label={t.replace.steps}>
        {of.steps.map((share, index) => (
          <li key={share} class={index + 1 < of.step ? "past" : index + 1 === of.step ? "now" : ""} aria-current={index + 1 === of.step ? "step" : undefined}>
            {share} %
          </li>
        ))}
      </ol>
      <p class="mono muted">
        <Foreign text={of.to} max={400} />
      </p>
      <Failed error={failed} />
      {asked === undefined ? null : (
        <Dialog title={t.action.confirm(t.replace[asked], server.name)} onClose={() => setAsked(undefined)}>
          <div class="stack">
            <p>{t.replace.undoText}</p>
            <div class="buttons">
              <button type="button" onClick={() => setAsked(undefined)}>
                {t.cancel}
              </button>
              <button type="button" class="danger" onClick={() => send(asked)}>
                {t.replace[asked]}
              </button>
            </div>
          </div>
        </Dialog>
      )}
    </Section>
  );
}
