// The definitions of a server's tools: as they were accepted, as they are now, and what differs.

import { useContext, useState } from "preact/hooks";
import { get, post, type Schema } from "../api/client";
import { clock } from "../format";
import { useWords } from "../i18n";
import { useLoad } from "../load";
import { may, Me } from "../me";
import { Dialog, Empty, Foreign, Loading, Problem, Section, Status, type Tone } from "./parts";

const TONE: Record<string, Tone> = { pinned: "good", changed: "bad", added: "warn", renamed: "warn", removed: "none" };
/** Characters of one piece of a difference that are shown. */
const PIECE_MAX = 2000;

export function Definitions({ server }: { server: string }) {
  const t = useWords();
  const me = useContext(Me);
  const [open, setOpen] = useState<string | undefined>();
  const books = useLoad((signal) => get("/api/pilothouse/tools", {}, signal), [server], ["events"]);
  const book = books.data?.servers.find((one) => one.server === server);
  if (books.error !== undefined) return null;
  return (
    <Section title={t.server.definitions}>
      {books.loading ? <Loading /> : null}
      {books.data !== undefined && book === undefined ? <Empty>{t.server.noPins}</Empty> : null}
      {book === undefined ? null : (
        <div class="scroll" tabIndex={0} role="region" aria-label={t.server.definitions}>
          <table>
            <tbody>
              {book.tools.map((tool) => (
                <tr key={tool.tool}>
                  <td>
                    <Foreign text={tool.tool} max={64} />
                  </td>
                  <td>
                    <Status tone={TONE[tool.standing] ?? "none"}>{t.server.standing[tool.standing] ?? tool.standing}</Status>
                    {tool.blocked ? <span class="muted">, {t.server.blocked}</span> : null}
                  </td>
                  <td class="mono">{(tool.now?.hash ?? tool.accepted?.hash ?? "").slice(0, 12)}</td>
                  <td class="muted">{tool.accepted == null ? "" : `${t.server.accepted} ${clock(tool.accepted.at)}`}</td>
                  <td>
                    {tool.standing === "pinned" ? null : (
                      <button type="button" onClick={() => setOpen(tool.tool)}>
                        {t.server.showDiff}
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {open === undefined ? null : (
        <Diff
          server={server}
          tool={open}
          isAllowed={may(me, "admin")}
          onClose={() => setOpen(undefined)}
          onDone={() => {
            setOpen(undefined);
            books.again();
          }}
        />
      )}
    </Section>
  );
}

function Diff(props: { server: string; tool: string; isAllowed: boolean; onClose: () => void; onDone: () => void }) {
  const t = useWords();
  const { server, tool } = props;
  const diff = useLoad((signal) => get("/api/pilothouse/tools/diff", { server, tool }, signal), [server, tool]);
  const [failed, setFailed] = useState<Error | undefined>();
  const of = diff.data?.tools[0];

  function approve(): void {
    const body: Schema["Approval"] = { server, also: false, tools: [{ tool, hash: of?.now?.hash ?? null }] };
    post<Schema["Approved"]>("/api/pilothouse/tools", {}, body).then(
      (done) => {
        const no = done.refused[0];
        if (no === undefined) props.onDone();
        else setFailed(new Error(JSON.stringify(no)));
      },
      (error: unknown) => setFailed(error instanceof Error ? error : new Error(String(error))),
    );
  }

  return (
    <Dialog title={`${t.server.showDiff}: ${tool.slice(0, 64)}`} onClose={props.onClose}>
      {diff.loading ? <Loading /> : null}
      {diff.error === undefined ? null : <Problem error={diff.error} again={diff.again} />}
      {of?.differences.map((place) => (
        <div key={place.pointer} class="diff">
          <h3 class="mono">
            <Foreign text={place.pointer === "" ? "/" : place.pointer} max={200} />
          </h3>
          <div class="mono text">
            {place.parts.map((part, index) =>
              part.kind === "new" ? (
                <ins key={index}>
                  <Foreign text={part.text} max={PIECE_MAX} />
                </ins>
              ) : part.kind === "gone" ? (
                <del key={index}>
                  <Foreign text={part.text} max={PIECE_MAX} />
                </del>
              ) : (
                <Foreign key={index} text={part.text} max={PIECE_MAX} />
              ),
            )}
          </div>
        </div>
      ))}
      {of === undefined ? null : (
        <div class="stack">
          <p>{t.action.approveText}</p>
          {failed === undefined ? null : (
            <p class="wrong" role="alert">
              <Foreign text={failed.message} />
            </p>
          )}
          <div class="buttons">
            {props.isAllowed ? null : <span class="muted">{t.action.needs("admin")}</span>}
            <button type="button" onClick={props.onClose}>
              {t.cancel}
            </button>
            <button type="button" class="primary" disabled={!props.isAllowed} onClick={approve}>
              {t.action.approve}
            </button>
          </div>
        </div>
      )}
    </Dialog>
  );
}
