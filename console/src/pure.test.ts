import { describe, expect, test } from "vitest";
import { bytes, duration, number, percent } from "./format";
import { en } from "./i18n/en";
import { ja } from "./i18n/ja";
import { complete } from "./query";
import { inert, line } from "./text";
import { seconds, spanOf, stepOf, windowOf, within } from "./time";

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
    expect(windowOf(600)).toBe("600s");
    expect(seconds("2h")).toBe(7200);
    expect(seconds("2")).toBeUndefined();
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
