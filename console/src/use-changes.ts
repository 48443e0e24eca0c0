// What changed in the span of the address: asked for once, and from then on told by the stream.

import { useMemo } from "preact/hooks";
import { useLive } from "./api/live";
import { ALERTED, changes, isAbout, read, type Change } from "./changes";
import { useLoad, type Loaded } from "./load";
import { useSpan } from "./span";

/** The newest first; of one server, or of all. A fixed span has no news. */
export function useChanges(server?: string, onlyAlerts = false): Loaded<Change[]> {
  const { span, key, range } = useSpan();
  const { events } = useLive();
  const loaded = useLoad((signal) => changes(span(), server, signal, onlyAlerts), [server, key, onlyAlerts]);
  const data = useMemo(() => {
    if (loaded.data === undefined || range === undefined) return loaded.data;
    const name = (one: Change) => `${one.at} ${one.kind} ${one.text}`;
    const known = new Set(loaded.data.map(name));
    const fresh = events
      .filter((event) => isAbout(event, server))
      .map(read)
      .filter((one) => one !== undefined && !known.has(name(one)) && (!onlyAlerts || ALERTED.includes(one.kind)));
    return [...(fresh as Change[]), ...loaded.data];
  }, [loaded.data, events, server, range, onlyAlerts]);
  return { ...loaded, data };
}
