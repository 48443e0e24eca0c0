// Loading for a page: what was loaded stays while it is loaded anew.

import { useEffect, useRef, useState } from "preact/hooks";
import { Refused } from "./api/client";
import { useLive, type Topic } from "./api/live";

export interface Loaded<T> {
  data: T | undefined;
  error: Error | undefined;
  /** It is being loaded, and there is nothing yet. */
  loading: boolean;
  again: () => void;
}

interface Run {
  end: AbortController;
  busy: boolean;
  /** Something changed while it was loaded. */
  dirty: boolean;
}

/** Loads whenever one of `deps` changes, and when the stream says that one of `topics` has: one after the other. */
export function useLoad<T>(
  load: (signal: AbortSignal) => Promise<T>,
  deps: readonly unknown[],
  topics: readonly Topic[] = [],
): Loaded<T> {
  const live = useLive();
  const [state, setState] = useState<{ data: T | undefined; error: Error | undefined }>({ data: undefined, error: undefined });
  const newest = useRef(load);
  newest.current = load;
  const run = useRef<Run | undefined>(undefined);

  function begin(of: Run): void {
    of.busy = true;
    of.dirty = false;
    const finish = (next: (old: { data: T | undefined }) => { data: T | undefined; error: Error | undefined }) => {
      if (of.end.signal.aborted) return;
      of.busy = false;
      setState(next);
      if (of.dirty) begin(of);
    };
    newest.current(of.end.signal).then(
      (data) => finish(() => ({ data, error: undefined })),
      (error: unknown) => {
        const said = error instanceof Error ? error : new Error(String(error));
        // Who refuses means it; who cannot be reached may come again.
        finish((old) => ({ data: said instanceof Refused ? undefined : old.data, error: said }));
      },
    );
  }

  const asked = JSON.stringify(deps);
  useEffect(() => {
    const of: Run = { end: new AbortController(), busy: false, dirty: false };
    run.current = of;
    setState({ data: undefined, error: undefined });
    begin(of);
    return () => of.end.abort();
  }, [asked]);

  const versions = topics.map((topic) => live.versions[topic]).join();
  const known = useRef(versions);
  useEffect(() => {
    if (known.current === versions) return;
    known.current = versions;
    poke();
  }, [versions]);

  function poke(): void {
    const of = run.current;
    if (of === undefined) return;
    if (of.busy) of.dirty = true;
    else begin(of);
  }
  return { ...state, loading: state.data === undefined && state.error === undefined, again: poke };
}
