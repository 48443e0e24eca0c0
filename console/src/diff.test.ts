import { expect, test } from "vitest";
import { diff, hunks, yaml } from "./diff";

const shown = (before: string, after: string) => diff(before, after).map((line) => `${{ same: " ", gone: "-", new: "+" }[line.how]}${line.at} ${line.text}`);

test("what is in both texts stays, and every line is there once", () => {
  expect(shown("a\nb\nc\nd\n", "a\nx\nc\ny\nd\n")).toEqual([" 1 a", "-2 b", "+2 x", " 3 c", "+4 y", " 5 d"]);
  expect(shown("", "a\n")).toEqual(["+1 a"]);
  expect(shown("a\n", "")).toEqual(["-1 a"]);
  expect(shown("a\na\n", "a\n")).toEqual([" 1 a", "-2 a"]);
});

test("either text can be made of the difference again, whatever they are", () => {
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  for (let run = 0; run < 300; run += 1) {
    const text = () => Array.from({ length: random(12) }, () => "abc"[random(3)] + "\n").join("");
    const [before, after] = [text(), text()];
    const all = diff(before, after);
    const of = (left: string) => all.filter((line) => line.how !== left).map((line) => `${line.text}\n`).join("");
    expect([of("new"), of("gone")]).toEqual([before, after]);
  }
});

test("texts that are too long to compare are shown whole", () => {
  const long = (word: string) => Array.from({ length: 3000 }, (_, index) => `${word}${index}\n`).join("");
  expect(diff(long("a"), long("b")).length).toBe(6000);
});

test("only what is near a change is shown", () => {
  const before = Array.from({ length: 20 }, (_, index) => `${index}\n`).join("");
  const some = hunks(diff(before, before.replace("10\n", "x\n")), 1);
  expect(some.map((line) => line?.text)).toEqual([undefined, "9", "10", "x", "11", undefined]);
});

test("JSON is written as YAML that means the same", () => {
  const value = { listen: "127.0.0.1:3000", servers: { a: { args: ["-p", "on"], env: {}, urls: [] } }, list: [{ name: "x", n: 1 }], no: null };
  expect(yaml(value).trimStart()).toBe(
    'listen: "127.0.0.1:3000"\nservers:\n  a:\n    args:\n      - "-p"\n      - "on"\n    env: {}\n    urls: []\nlist:\n  - name: x\n    n: 1\n"no": null\n',
  );
});
