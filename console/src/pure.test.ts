import { describe, expect, test } from "vitest";
import { bytes, duration, number, percent } from "./format";
import { en } from "./i18n/en";
import { ja } from "./i18n/ja";
import { complete } from "./query";
import { heatOf, lowerOf, shade, totals } from "./heat";
import { changeOf, packageOf, toOf } from "./replacement";
import { inert, line } from "./text";
import { align, alone } from "./align";
import { resolutionOf, seconds, spanOf, stepOf, windowOf, within } from "./time";

describe("foreign text", () => {
  test("loses escape sequences, and shows what would hide", () => {
    expect(inert("\u001b[31mred\u001b[0m")).toBe("red");
    expect(inert("\u001b]8;;https://evil.example\u0007link\u001b]8;;\u0007")).toBe("link");
    expect(inert("a\u202eb\u200bc\u0000")).toBe("a\\u{202e}b\\u{200b}c\\u{0}");
    expect(inert("tag\u{e0041}")).toBe("tag\\u{e0041}");
    expect(inert("<b>日本語 é\n\tx</b>")).toBe("<b>日本語 é\n\tx</b>");
  });
  test("is bounded, also when it is very long, and no character is cut in two", () => {
    expect(inert("x".repeat(1 << 20), 10)).toMatch(/^x{10}… \(\+/);
    expect(inert("😀😀", 3)).toBe("😀… (+1)");
    expect(inert(undefined)).toBe("");
    expect(inert({ a: 1 })).toBe('{"a":1}');
    expect(line("a\n  b")).toBe("a ⏎ b");
  });
});

describe("the range of an address", () => {
  const now = 1_800_000_000_000;
  const of = (text: string) => spanOf(new URLSearchParams(text), now);
  test("is what it says, or an hour", () => {
    expect(of("range=6h")).toEqual({ from: 1_799_978_400, to: 1_800_000_000, range: "6h" });
    expect(of("from=10&to=20")).toEqual({ from: 10, to: 20, range: undefined });
    for (const text of ["", "range=x", "range=1s", "range=9999d", "from=20&to=10", "from=x&to=y"]) expect(of(text).range).toBe("1h");
  });
  test("is told to the server in its own clock", () => {
    expect(within(of("range=6h"))).toEqual({ since: "6h" });
    expect(within(of("from=10&to=20"))).toEqual({ from: 10, to: 20 });
  });
  test("has no more points than half of the pixels", () => {
    for (const long of [60, 3600, 86400, 30 * 86400]) {
      for (const pixels of [360, 900, 2000]) expect(long / stepOf({ from: 0, to: long }, pixels)).toBeLessThanOrEqual(pixels / 2);
    }
    expect(windowOf(5)).toBe("60s");
    expect(windowOf(60)).toBe("75s");
    expect(windowOf(600)).toBe("660s");
    expect([60, 300].map(resolutionOf)).toEqual([undefined, "60s"]);
    expect(seconds("2h")).toBe(7200);
    expect(seconds("2")).toBeUndefined();
  });
});

describe("series of a chart", () => {
  test("have gaps where nothing is known", () => {
    const one = { times: [10, 20, 30, 70, 80], values: [1, 2, 3, 7, 8] };
    const other = { times: [20, 30], values: [5, Number.NaN] };
    expect(align([one, other])).toEqual([
      [10, 20, 30, 40, 70, 80],
      [1, 2, 3, null, 7, 8],
      [null, 5, null, null, null, null],
    ]);
    expect(align([])).toEqual([[]]);
  });
  test("show a value that stands alone", () => {
    expect(alone([null, 5, null, 1, 2, null, 7])).toEqual([1, 6]);
    expect(alone([1, 2])).toBeNull();
  });
});

test("numbers are short", () => {
  expect([0, 0.0421, 1.234, 12.34, 987.6, 12_345, 5e6, Number.NaN].map(number)).toEqual(["0", "0.042", "1.23", "12.3", "988", "12.3k", "5M", "–"]);
  expect([0, 0.00042, 0.0032, 1.24, 300, 9000, 4e5].map(duration)).toEqual(["0 ms", "420 µs", "3.2 ms", "1.24 s", "5 min", "2.5 h", "4.6 d"]);
  expect([bytes(1536), bytes(undefined), percent(99.95, 3), percent(100, 1)]).toEqual(["1.5 KiB", "–", "99.95 %", "100 %"]);
});

describe("completion of a query", () => {
  const at = (text: string) => complete(text, text.length);
  test("offers fields, and values where they are known", () => {
    expect(at("to")[0]).toMatchObject({ word: "tool", whole: "tool=" });
    expect(at("tool=x -stat")[0]).toMatchObject({ word: "status", whole: "tool=x -status=" });
    expect(at("level>=w").map((one) => one.whole)).toEqual(["level>=warn "]);
    expect(at("(outcome=tool")[0]?.whole).toBe("(outcome=tool_error ");
  });
  test("offers nothing within quotes, nor after a space", () => {
    expect(at('"to')).toEqual([]);
    expect(at("tool=x ")).toEqual([]);
    expect(at('error~"a\\"b" to')[0]?.word).toBe("tool");
  });
});

test("every word is there in Japanese, and is another one", () => {
  const same: string[] = [];
  const walk = (a: object, b: object, path: string) => {
    for (const [name, value] of Object.entries(a)) {
      const other = (b as Record<string, unknown>)[name];
      expect(typeof other, `${path}${name}`).toBe(typeof value);
      if (typeof value === "object") walk(value as object, other as object, `${path}${name}.`);
      else if (typeof value === "string" && value === other && /[a-z]{3}/.test(value)) same.push(`${path}${name}`);
    }
  };
  walk(en, ja, "");
  expect(same.filter((name) => !["calls.placeholder", "explore.query"].includes(name))).toEqual([]);
});

describe("a heat map", () => {
  const bucket = (le: string, values: number[]) => ({ labels: { le }, times: values.map((_, index) => 100 + index * 10), values });
  const lines = [bucket("+Inf", [4, 4, 9, 0]), bucket("0.1", [1, 0, 2, 0]), bucket("0.5", [4, 1, 9, 0]), bucket("0.01", [0, 0, 0, 0]), bucket("1", [4, 4, 9, 0])];
  test("counts the calls of each bucket, without rows in which nothing is", () => {
    const heat = heatOf(lines, 10, 100);
    expect(heat.bounds).toEqual([0.1, 0.5, 1]);
    expect(heat.cells).toEqual([
      [1, 0, 2, 0],
      [3, 1, 7, 0],
      [0, 3, 0, 0],
    ]);
    expect([heat.times[0], heat.step, heat.floor, heat.most]).toEqual([90, 10, 0.01, 7]);
    expect([lowerOf(heat, 0), lowerOf(heat, 2)]).toEqual([0.01, 0.5]);
    expect(totals(heat)).toEqual([3, 11, 3]);
  });
  test("has no more columns than there is room for, and loses no call", () => {
    for (const room of [1, 2, 3]) {
      const heat = heatOf(lines, 10, room);
      expect(heat.times.length).toBeLessThanOrEqual(room);
      expect(totals(heat)).toEqual([3, 11, 3]);
    }
    const long = Array.from({ length: 5000 }, (_, index) => index);
    const many = heatOf([{ labels: { le: "1" }, times: long, values: long.map(() => 1) }], 1, 360);
    expect(many.times.length).toBeLessThanOrEqual(360);
    expect(totals(many)).toEqual([5000]);
  });
  test("of nothing is empty, and one call among many is seen", () => {
    expect(heatOf([], 10, 100).times).toEqual([]);
    expect(heatOf([bucket("1", [0, 0])], 10, 100).times).toEqual([]);
    expect([shade(0, 100), shade(100, 100)]).toEqual([0, 1]);
    expect(shade(1, 100_000)).toBeGreaterThan(0.12);
  });
});

describe("another version", () => {
  test("is told from its looks", () => {
    expect(toOf("@acme/files@1.4.0")).toEqual({ package: "@acme/files@1.4.0" });
    expect(toOf("https://h/mcp")).toEqual({ url: "https://h/mcp" });
    expect(toOf("node server.js")).toEqual({ command: ["node", "server.js"] });
    expect(toOf('["node", "a b"]')).toEqual({ command: ["node", "a b"] });
    expect(toOf("@acme/files")).toEqual({ command: ["@acme/files"] });
    for (const text of ["", "  ", "[", "[]", "[1]", "node 'a b'"]) expect(toOf(text)).toBeUndefined();
    expect(packageOf(["npx", "-y", "@acme/files@1.3.0", "--root", "x"])).toBe("@acme/files@1.3.0");
    expect(packageOf(["node", "server.js"])).toBe("");
  });
  test("comes in steps, each with its time", () => {
    expect(changeOf("a@2", "10, 50,100", "10m")).toEqual({ change: { action: "replace", to: { package: "a@2" }, steps: [10, 50, 100], every_seconds: 600 } });
    expect(changeOf("a@2", "", "")).toEqual({ change: { action: "replace", to: { package: "a@2" }, steps: [100], every_seconds: null } });
    for (const steps of ["50", "0,100", "50,50,100", "10,x,100", "101", "100,10", ",100"]) expect(changeOf("a@2", steps, "1m")).toEqual({ wrong: "steps" });
    for (const every of ["0s", "x", "8d", "10"]) expect(changeOf("a@2", "100", every)).toEqual({ wrong: "every" });
    expect(changeOf(" ", "100", "")).toEqual({ wrong: "to" });
  });
});
