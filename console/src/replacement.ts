// What an operator writes of another version, as the API takes it. The same looks as of `pilothouse replace --to`.

import type { Schema } from "./api/client";
import { seconds } from "./time";

type To = Schema["ReplaceTo"];
export type Wrong = "to" | "steps" | "every";
const STEPS_MAX = 20;
const EVERY_S_MAX = 7 * 86400;

/** `NAME@VERSION`, an address, or a whole command; `undefined` for nothing. Who may ask for which, the API decides. */
export function toOf(text: string): To | undefined {
  const given = text.trim();
  if (given === "") return undefined;
  if (/^https?:\/\//.test(given)) return { url: given };
  if (given.startsWith("[")) {
    try {
      const words = JSON.parse(given) as unknown;
      return Array.isArray(words) && words.length > 0 && words.every((word) => typeof word === "string") ? { command: words } : undefined;
    } catch {
      return undefined;
    }
  }
  const words = given.split(/\s+/);
  // Quotes would have to be understood as a shell does: an array of words says it without them.
  if (/["'\\]/.test(given)) return undefined;
  return words.length === 1 && /^.+@[^@/]+$/.test(given) ? { package: given } : { command: words };
}

/** What is sent, or which field is wrong. */
export function changeOf(to: string, steps: string, every: string): { change: Schema["ServerChange"] } | { wrong: Wrong } {
  const wanted = toOf(to);
  if (wanted === undefined) return { wrong: "to" };
  const shares = steps.trim() === "" ? [100] : steps.split(",").map((one) => (/^\s*\d{1,3}\s*$/.test(one) ? Number(one) : Number.NaN));
  const rises = shares.every((share, index) => share >= 1 && share <= 100 && share > (shares[index - 1] ?? 0));
  if (!rises || shares.at(-1) !== 100 || shares.length > STEPS_MAX) return { wrong: "steps" };
  const long = every.trim() === "" ? null : seconds(every.trim());
  if (long === undefined || (long !== null && (long < 1 || long > EVERY_S_MAX))) return { wrong: "every" };
  return { change: { action: "replace", to: wanted, steps: shares, every_seconds: long } };
}

/** The package of a command that has a version, to begin with. */
export function packageOf(command: readonly string[] | undefined): string {
  return (command ?? []).slice(1).find((word) => /^(@?[A-Za-z0-9][\w.\-/]*)@[\w.+-]+$/.test(word)) ?? "";
}
