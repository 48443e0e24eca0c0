import { useEffect, useState } from "preact/hooks";
import { en, type Dictionary } from "./en";
import { ja } from "./ja";

export const LANGUAGES = { en, ja } as const;
export type Language = keyof typeof LANGUAGES;

const KEPT = "pilothouse-language";
const listeners = new Set<() => void>();

function chosen(): Language {
  const kept = localStorage.getItem(KEPT) ?? navigator.language.slice(0, 2);
  return kept === "ja" ? "ja" : "en";
}

let language: Language = chosen();
document.documentElement.lang = language;

export function setLanguage(next: Language): void {
  localStorage.setItem(KEPT, next);
  language = next;
  document.documentElement.lang = next;
  for (const listener of listeners) listener();
}

export function languageNow(): Language {
  return language;
}

/** The words, in the language that is chosen. */
export function words(): Dictionary {
  return LANGUAGES[language];
}

/** The same, and the component is drawn anew when it changes. */
export function useWords(): Dictionary {
  const [, again] = useState(0);
  useEffect(() => {
    const listener = () => again((n) => n + 1);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }, []);
  return words();
}
