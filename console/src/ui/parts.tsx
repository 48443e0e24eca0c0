// The small parts that pages are made of.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { Refused } from "../api/client";
import { useWords } from "../i18n";
import { go } from "../route";
import { inert, line } from "../text";

export type Tone = "good" | "warn" | "bad" | "none";
const SHAPE: Record<Tone, string> = { good: "●", warn: "▲", bad: "■", none: "○" };

/** A state: a shape and a word, so that nobody has to see colours. */
export function Status({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <span class={`status ${tone}`}>
      <span class="shape" aria-hidden="true">
        {SHAPE[tone]}
      </span>
      {children}
    </span>
  );
}

/** Text of a server or a client: a text node, apart from the direction of what is around it. */
export function Foreign({ text, max, block }: { text: unknown; max?: number; block?: boolean }) {
  return block === true ? <bdi class="foreign block">{inert(text, max)}</bdi> : <bdi class="foreign">{line(text, max)}</bdi>;
}

/** Why something was refused, with what to do about it. */
export function Failed({ error, max }: { error: Error | undefined; max?: number }) {
  if (error === undefined) return null;
  return (
    <p class="wrong" role="alert">
      <Foreign text={error.message} max={max} /> {error instanceof Refused && error.hint !== undefined ? <Foreign text={error.hint} /> : null}
    </p>
  );
}

/** The fields of a record as they are kept. */
export function RecordFields({ of }: { of: [string, unknown][] }) {
  return (
    <dl class="fields mono">
      {of.map(([name, one]) => (
        <div key={name}>
          <dt>
            <Foreign text={name} max={80} />
          </dt>
          <dd>
            <Foreign text={one} max={4000} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** A link within the console; with a modifier it is the browser's. */
export function Link(props: { to: string; class?: string; children: ComponentChildren; current?: boolean; label?: string }) {
  return (
    <a
      href={props.to}
      class={props.class}
      aria-current={props.current === true ? "page" : undefined}
      aria-label={props.label}
      onClick={(event) => {
        if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        go(props.to);
      }}
    >
      {props.children}
    </a>
  );
}

export function Section(props: { title: string; more?: ComponentChildren; children: ComponentChildren; class?: string }) {
  return (
    <section class={`section ${props.class ?? ""}`}>
      <header>
        {props.title === "" ? null : <h2>{props.title}</h2>}
        {props.more}
      </header>
      {props.children}
    </section>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

/** What could not be loaded, and what the API says to do. */
export function Problem({ error, again }: { error: Error; again?: () => void }) {
  const t = useWords();
  const hint = error instanceof Refused ? error.hint : undefined;
  return (
    <div class="problem" role="alert">
      <Status tone="bad">{t.failed}</Status>
      <p>
        <Foreign text={error.message} />
      </p>
      {hint === undefined ? null : (
        <p class="muted">
          <Foreign text={hint} />
        </p>
      )}
      {again === undefined ? null : (
        <button type="button" onClick={again}>
          {t.again}
        </button>
      )}
    </div>
  );
}

export function Loading() {
  const t = useWords();
  return (
    <p class="loading" role="status">
      {t.loading}…
    </p>
  );
}

/** A window over the page. The browser keeps the focus in it and closes it with Escape. */
export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren }) {
  const t = useWords();
  const box = useRef<HTMLDialogElement>(null);
  // It names what foreign texts name.
  const title = line(props.title, 160);
  // Before the next paint: what is typed at once is typed into it.
  useLayoutEffect(() => {
    const dialog = box.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog ref={box} aria-label={title} onClose={props.onClose}>
      <header>
        <h2>
          <bdi>{title}</bdi>
        </h2>
        <button type="button" class="quiet" aria-label={t.close} onClick={() => box.current?.close()}>
          ✕
        </button>
      </header>
      {props.children}
    </dialog>
  );
}
