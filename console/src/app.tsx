// The frame of all pages: who asks, where one is, which time is shown.

import { useEffect, useState } from "preact/hooks";
import { get, key, Refused, setKey, whenUnknown, type Schema } from "./api/client";
import { start, stop, useLive } from "./api/live";
import { whole } from "./format";
import { LANGUAGES, languageNow, setLanguage, useWords, type Language } from "./i18n";
import { keyboard } from "./keyboard";
import { Me } from "./me";
import { Alerts } from "./pages/alerts";
import { Calls } from "./pages/calls";
import { Cost } from "./pages/cost";
import { Explore } from "./pages/explore";
import { Overview } from "./pages/overview";
import { ServerPage } from "./pages/server";
import { Settings } from "./pages/settings";
import { TracePage } from "./pages/trace";
import { Vulnerabilities } from "./pages/vulnerabilities";
import { adjust, href, type Page } from "./route";
import { spanOf, RANGES } from "./time";
import { line } from "./text";
import { chooseTheme, chosenTheme, THEMES } from "./theme";
import { Dialog, Link, Problem, Status } from "./ui/parts";
import { useRoute } from "./use-route";

/** Pages that are in the navigation. */
const NAVIGATION: Page[] = ["overview", "server", "calls", "trace", "explore", "alerts", "vulnerabilities", "cost", "settings"];

export function App() {
  const t = useWords();
  const route = useRoute();
  const [me, setMe] = useState<Schema["Me"] | undefined>();
  const [unknown, setUnknown] = useState(false);
  const [error, setError] = useState<Error | undefined>();
  const [help, setHelp] = useState(false);

  function ask(): void {
    setError(undefined);
    get("/api/pilothouse/me").then(
      (known) => {
        setMe(known);
        setUnknown(false);
        start();
      },
      (refused: unknown) => {
        if (refused instanceof Refused && refused.status === 401) setUnknown(true);
        else setError(refused instanceof Error ? refused : new Error(String(refused)));
      },
    );
  }
  useEffect(() => {
    whenUnknown(() => {
      stop();
      setUnknown(true);
    });
    ask();
    return stop;
  }, []);
  useEffect(() => keyboard({ help: () => setHelp(true) }), []);
  useEffect(() => {
    const name = route.query.get("name");
    document.title = `${t.pages[route.page]}${route.page === "server" && name !== null ? `: ${line(name, 60)}` : ""} · Pilothouse`;
  }, [route, t]);

  if (unknown) return <SignIn onKey={ask} />;
  return (
    <Me.Provider value={me}>
      <a class="skip" href="#content">
        {t.skip}
      </a>
      <Top me={me} onHelp={() => setHelp(true)} />
      <main id="content" tabIndex={-1}>
        {error === undefined ? null : <Problem error={error} again={ask} />}
        {me === undefined ? null : <Shown page={route.page} />}
      </main>
      {help ? <Help onClose={() => setHelp(false)} /> : null}
    </Me.Provider>
  );
}

function Shown({ page }: { page: Page }) {
  switch (page) {
    case "server":
      return <ServerPage />;
    case "calls":
      return <Calls />;
    case "explore":
      return <Explore />;
    case "alerts":
      return <Alerts />;
    case "vulnerabilities":
      return <Vulnerabilities />;
    case "cost":
      return <Cost />;
    case "settings":
      return <Settings />;
    case "trace":
      return <TracePage />;
    default:
      return <Overview />;
  }
}

function Top({ me, onHelp }: { me: Schema["Me"] | undefined; onHelp: () => void }) {
  const t = useWords();
  const live = useLive();
  const route = useRoute();
  return (
    <header class="top">
      <Link to={href("overview")} class="brand" label="Pilothouse">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <circle cx="16" cy="16" r="8" />
          <path d="M16 3v26M3 16h26M6.8 6.8l18.4 18.4M25.2 6.8L6.8 25.2" />
        </svg>
        <span>Pilothouse</span>
      </Link>
      <nav aria-label="Pilothouse">
        {NAVIGATION.map((page) => (
          <Link key={page} to={href(page)} current={route.page === page}>
            {t.pages[page]}
            {page === "alerts" && live.firing > 0 ? <span class="count">{live.firing}</span> : null}
          </Link>
        ))}
      </nav>
      <div class="tools">
        <Range />
        <Stream />
        <details class="menu">
          <summary aria-label={t.theme.title}>
            <span aria-hidden="true">⚙</span>
          </summary>
          <div class="sheet">
            <label>
              {t.theme.title}
              <select value={chosenTheme()} onChange={(event) => chooseTheme(THEMES[event.currentTarget.selectedIndex] ?? "auto")}>
                {THEMES.map((theme) => (
                  <option key={theme} value={theme}>
                    {t.theme[theme]}
                  </option>
                ))}
              </select>
            </label>
            <label>
              Language / 言語
              <select value={languageNow()} onChange={(event) => setLanguage(event.currentTarget.value as Language)}>
                {Object.entries(LANGUAGES).map(([code, words]) => (
                  <option key={code} value={code}>
                    {words.language}
                  </option>
                ))}
              </select>
            </label>
            <button type="button" onClick={onHelp}>
              {t.keys.title} (?)
            </button>
            {me === undefined ? null : (
              <p class="muted">
                {t.signIn.as(me.name, me.role ?? "")}
                <br />
                Pilothouse {me.version}
              </p>
            )}
            {key() === null ? null : (
              <button
                type="button"
                onClick={() => {
                  setKey(null);
                  window.location.reload();
                }}
              >
                {t.signIn.out}
              </button>
            )}
          </div>
        </details>
      </div>
    </header>
  );
}

function Range() {
  const t = useWords();
  const route = useRoute();
  const span = spanOf(route.query, Date.now());
  return (
    <label class="range">
      <span class="hidden">{t.range}</span>
      <select
        value={span.range ?? "fixed"}
        title={span.range === undefined ? `${whole(span.from)} – ${whole(span.to)}` : t.upToNow}
        onChange={(event) => adjust({ range: event.currentTarget.value, from: undefined, to: undefined })}
      >
        {span.range === undefined ? <option value="fixed">{t.fixedRange}</option> : null}
        {RANGES.map((range) => (
          <option key={range} value={range}>
            {range}
          </option>
        ))}
        {span.range === undefined || (RANGES as readonly string[]).includes(span.range) ? null : <option value={span.range}>{span.range}</option>}
      </select>
    </label>
  );
}

function Stream() {
  const t = useWords();
  const { state } = useLive();
  return (
    <span class="stream" role="status">
      <Status tone={state === "live" ? "good" : state === "away" ? "bad" : "none"}>{t.live[state]}</Status>
    </span>
  );
}

function SignIn({ onKey }: { onKey: () => void }) {
  const t = useWords();
  const [value, setValue] = useState("");
  const [keep, setKeep] = useState(false);
  const [wrong, setWrong] = useState<string | undefined>(key() === null ? undefined : t.signIn.wrong);
  return (
    <main class="sign-in" id="content">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const given = value.trim();
          if (given === "" || /[^\x21-\x7e]/.test(given)) {
            setWrong(given === "" ? t.signIn.needed : t.signIn.wrong);
            return;
          }
          setKey(given, keep);
          get("/api/pilothouse/me").then(onKey, (error: unknown) => {
            setKey(null);
            setWrong(error instanceof Refused && error.status === 401 ? t.signIn.wrong : String(error));
          });
        }}
      >
        <h1>{t.signIn.title}</h1>
        <p class="muted">
          {t.signIn.text} <code>pilothouse keys create NAME --role viewer</code>
        </p>
        <label>
          {t.signIn.key}
          <input
            type="password"
            autocomplete="current-password"
            value={value}
            aria-invalid={wrong !== undefined}
            aria-describedby="key-wrong"
            onInput={(event) => {
              setValue(event.currentTarget.value);
              setWrong(undefined);
            }}
          />
        </label>
        <p id="key-wrong" class="wrong" role="alert">
          {wrong ?? ""}
        </p>
        <label class="check">
          <input type="checkbox" checked={keep} onChange={(event) => setKeep(event.currentTarget.checked)} /> {t.signIn.keep}
        </label>
        <button type="submit" class="primary">
          {t.signIn.go}
        </button>
      </form>
    </main>
  );
}

function Help({ onClose }: { onClose: () => void }) {
  const t = useWords();
  const rows: [string, string][] = [
    ["/", t.keys.search],
    ["g o", t.keys.overview],
    ["g c", t.keys.calls],
    ["g a", t.keys.alerts],
    ["g e", t.keys.explore],
    ["j", t.keys.down],
    ["k", t.keys.up],
    ["Enter", t.keys.open],
    ["?", t.keys.help],
  ];
  return (
    <Dialog title={t.keys.title} onClose={onClose}>
      <dl class="keys">
        {rows.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split(" ").map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
