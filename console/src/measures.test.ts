import { expect, test } from "vitest";
import { readMeasures, savesOf } from "./measures";

test("what a field says is what the API takes", () => {
  expect(savesOf("permille_of_row", "12.5")).toEqual({ permille_of_row: 125 });
  expect(savesOf("amount", " 40.25 ")).toEqual({ amount: "40.25" });
  for (const text of ["5 → 3", "5->3", "5, 3", "5 to 3"]) expect(savesOf("count", text)).toEqual({ count: { from_milli: 5000, to_milli: 3000 } });
  for (const [how, text] of [["amount", "-1"], ["amount", ""], ["count", "5"], ["count", "5 → 3 → 1"], ["permille_of_rest", "1e9"]] as const) expect(savesOf(how, text)).toBeUndefined();
});

test("any text of an address is measures or none", () => {
  for (const text of [null, "", "{", "7", "null", "[1, null]"]) expect(readMeasures(text)).toEqual([]);
  expect(readMeasures('[{"name":"a"}]')).toEqual([{ name: "a" }]);
});
