// What can be done with a server: offered to who may, asked for once more, and told when it is done.

import { useContext, useState } from "preact/hooks";
import { post, type Schema } from "../api/client";
import type { Server } from "../api/live";
import { useWords } from "../i18n";
import { may, Me } from "../me";
import { Dialog, Failed, Status } from "./parts";
import { Replace } from "./replace";

type Change = Schema["ServerChange"];
type Plain = "scale" | "restart" | "drain" | "resume";
type What = Plain | "replace";
const REPLICAS_MAX = 64;

export function Actions({ server }: { server: Server }) {
  const t = useWords();
  const me = useContext(Me);
  const [open, setOpen] = useState<What | undefined>();
  const [done, setDone] = useState<string | undefined>();
  const isAllowed = may(me, "operator");
  const isOurs = server.wanted !== undefined && server.wanted !== null;
  const what: What[] = [...(isOurs ? (["scale"] as const) : []), ...(server.transport === "stdio" ? (["restart"] as const) : []), server.drained ? "resume" : "drain", ...(server.replacement == null ? (["replace"] as const) : [])];
  const finish = () => {
    setDone(open === undefined ? undefined : t.action[open]);
    setOpen(undefined);
  };
  return (
    <div class="actions-bar" role="group" aria-label={t.action.title}>
      {what.map((one) => (
        <button key={one} type="button" disabled={!isAllowed} onClick={() => setOpen(one)}>
          {t.action[one]}
        </button>
      ))}
      {isAllowed ? null : <span class="muted">{t.action.needs("operator")}</span>}
      <span role="status">{done === undefined ? "" : <Status tone="good">{t.action.done(done)}</Status>}</span>
      {open === "replace" ? <Replace server={server} onClose={() => setOpen(undefined)} onDone={finish} /> : null}
      {open === undefined || open === "replace" ? null : <Confirm server={server} what={open} onClose={() => setOpen(undefined)} onDone={finish} />}
    </div>
  );
}

function Confirm({ server, what, onClose, onDone }: { server: Server; what: Plain; onClose: () => void; onDone: () => void }) {
  const t = useWords();
  const [replicas, setReplicas] = useState(String(server.wanted ?? ""));
  const [wrong, setWrong] = useState<string | undefined>();
  const [failed, setFailed] = useState<Error | undefined>();
  const [busy, setBusy] = useState(false);

  function send(): void {
    const change = changeOf(what, replicas);
    if (change === undefined) {
      setWrong(t.action.replicasWrong);
      return;
    }
    setBusy(true);
    setFailed(undefined);
    post("/api/pilothouse/servers/{name}", { name: server.name }, change).then(onDone, (error: unknown) => {
      setBusy(false);
      setFailed(error instanceof Error ? error : new Error(String(error)));
    });
  }

  return (
    <Dialog title={t.action.confirm(t.action[what], server.name)} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <p>{t.action[`${what}Text`]}</p>
        {what === "scale" ? (
          <>
            <label>
              {t.action.replicas}
              <input
                inputMode="numeric"
                autofocus
                onFocus={(event) => event.currentTarget.select()}
                value={replicas}
                aria-invalid={wrong !== undefined}
                aria-describedby="replicas-wrong"
                onInput={(event) => {
                  setReplicas(event.currentTarget.value);
                  setWrong(undefined);
                }}
              />
            </label>
            <p id="replicas-wrong" class="wrong" role="alert">
              {wrong ?? ""}
            </p>
          </>
        ) : null}
        <Failed error={failed} />
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {t.cancel}
          </button>
          <button type="submit" class={what === "drain" || what === "restart" ? "danger" : "primary"} disabled={busy}>
            {t.action[what]}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** What is sent; `undefined` when the number is none. */
export function changeOf(what: Plain, replicas: string): Change | undefined {
  if (what !== "scale") return { action: what };
  const text = replicas.trim();
  if (text === "") return { action: "scale", replicas: null };
  const wanted = Number(text);
  return /^\d{1,2}$/.test(text) && wanted <= REPLICAS_MAX ? { action: "scale", replicas: wanted } : undefined;
}
