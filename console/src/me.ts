// Who asks, and what he may do. The API decides; here it only decides what is offered.

import { createContext } from "preact";
import type { Schema } from "./api/client";

export const ROLES = ["viewer", "operator", "admin"] as const;
export type Role = (typeof ROLES)[number];

export const Me = createContext<Schema["Me"] | undefined>(undefined);

export function may(me: Schema["Me"] | undefined, role: Role): boolean {
  return ROLES.findIndex((known) => known === me?.role) >= ROLES.indexOf(role);
}
