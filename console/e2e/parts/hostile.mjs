// What a server, a client, an operator or an address says to deceive whoever reads it does nothing: on every page, and in
// the terminal.
import { execFileSync } from "node:child_process";
import { BINARY, until } from "../gateway.mjs";
import { HOSTILE, LONG } from "../texts.mjs";
import { call } from "../traffic.mjs";

const ARGUMENT = `argument ${HOSTILE}${LONG}`;
const CLIENT = `client <img src=x onerror="window.caught=1"> \u202egnp`;

export async function hostile({ gateway, open, check, at }) {
  await call(gateway.listen, "files", "readFile", { path: ARGUMENT.slice(0, 60_000) }, CLIENT);
  const silence = await post(gateway, "/api/v2/silences", {
    matchers: [{ name: "alertname", value: HOSTILE, isRegex: false, isEqual: true }],
    startsAt: new Date().toISOString(),
    endsAt: new Date(Date.now() + 3_600_000).toISOString(),
    createdBy: HOSTILE,
    comment: HOSTILE,
  });
  const trace = await until("a trace of the hostile server", async () => {
    const found = JSON.parse((await gateway.api(`/api/pilothouse/traces/slowest?limit=1&query=${encodeURIComponent("server=hostile tool=plain")}`)).text);
    return found.traces[0]?.trace_id;
  });
  const page = await open();
  page.expects = ["400", "404", "422"];
  const said = encodeURIComponent(HOSTILE);
  for (const [path, shown] of [
    ["server?name=hostile", /onerror|bold/],
    ["calls?query=server%3Dhostile&range=15m", /onerror|bold/],
    ["calls?query=kind%3Dstderr%20server%3Dhostile", /onerror|bold/],
    ["calls?query=tool%3DreadFile%20outcome%3Dtool_error", /onerror/],
    [`calls?query=${said}`, undefined],
    [`trace?id=${trace}`, /plain|bold/],
    [`trace?id=${said}`, undefined],
    [`server?name=${said}`, /onerror/],
    [`explore?query=${encodeURIComponent('sum by (server, tool) (mcp_tool_calls_total{server="hostile"})')}`, /bold|plain|hostile/],
    [`explore?query=${said}`, /./],
    ["alerts", /onerror/],
    ["", undefined],
    [`vulnerabilities?case=${said}`, undefined],
    ["settings?view=running", undefined],
    ["cost", undefined],
  ]) {
    await page.goto(at(path));
    if (shown === undefined) await page.waitForFunction(() => document.querySelector("main .section, main .problem, main .wrong") !== null && document.querySelector("main .loading") === null);
    else await page.locator("main .foreign", { hasText: shown }).first().waitFor();
    await inert(page, check, path.slice(0, 80));
  }
  // Opened: a line of a megabyte, and an argument.
  await page.goto(at("calls?query=kind%3Dstderr%20server%3Dhostile"));
  await page.locator(".record").first().click();
  await page.locator("dialog").waitFor();
  await inert(page, check, "a line, opened");
  await page.goto(at(`calls?query=${encodeURIComponent("tool=readFile outcome=tool_error")}`));
  await page.locator(".record").first().click();
  await page.locator("dialog pre .foreign", { hasText: "onerror" }).waitFor();
  await inert(page, check, "an argument, opened");
  await page.context().close();
  await gateway.api(`/api/v2/silence/${silence.silenceID}`, { method: "DELETE" });
  terminal(gateway, check, trace);
}

async function inert(page, check, name) {
  const seen = await page.evaluate(() => ({
    made: document.querySelectorAll("main img, main script, main b > b, dialog img, dialog script").length,
    caught: window.caught === 1,
    hidden: /[\u001b\u202e\u2066]/.test(document.body.innerText),
    long: document.body.innerText.length,
  }));
  check(`inert: ${name}`, seen.made === 0 && !seen.caught && !seen.hidden && seen.long < 200_000, seen);
}

/** The same texts by the commands that read. */
function terminal(gateway, check, trace) {
  for (const [name, args, shown] of [
    ["logs of calls", ["logs", "server=hostile", "--since", "1h"], "onerror"],
    ["logs of stderr", ["logs", "kind=stderr server=hostile", "--since", "1h"], "onerror"],
    ["logs of an argument", ["logs", "tool=readFile outcome=tool_error", "--since", "1h"], "client"],
    ["trace", ["trace", trace], "plain"],
    ["tools list", ["tools", "list"], "bold"],
    ["silences", ["silence", "list"], ""],
    ["servers", ["servers"], "hostile"],
  ]) {
    let text;
    try {
      text = execFileSync(BINARY, [...args, "--data-dir", gateway.data], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 64 << 20 });
    } catch (error) {
      text = `${error.stdout}${error.stderr}`;
    }
    // eslint-disable-next-line no-control-regex
    const isInert = !/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(text);
    check(`inert in the terminal: ${name}`, isInert && text.includes(shown) && text.length < 8 << 20, { isInert, long: text.length, text: text.slice(0, 200) });
  }
}

async function post(gateway, path, body) {
  return JSON.parse((await gateway.api(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })).text);
}
