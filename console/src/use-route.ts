import { useEffect, useState } from "preact/hooks";
import { current, onRoute, type Route } from "./route";

export function useRoute(): Route {
  const [route, set] = useState(current());
  useEffect(() => onRoute(() => set(current())), []);
  return route;
}
