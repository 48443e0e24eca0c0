// The span of the address, for components.

import { useRoute } from "./use-route";
import { spanOf, type Span } from "./time";

/** The span, as it is when it is asked for, and what tells one choice from another. */
export function useSpan(): { span: () => Span; key: string; range: string | undefined } {
  const { query } = useRoute();
  const now = spanOf(query, Date.now());
  const key = now.range ?? `${now.from}-${now.to}`;
  return { span: () => spanOf(query, Date.now()), key, range: now.range };
}
