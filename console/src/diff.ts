// The difference of two texts, line by line.

export interface DiffLine {
  how: "same" | "gone" | "new";
  text: string;
  /** Its number in the text that it is of; in the second one where it is in both. */
  at: number;
}

/** Pairs of lines that are compared at most; what is longer is shown as gone and new. */
const PAIRS_MAX = 4_000_000;

/** What has to be done to `before` to get `after`: the longest part in common stays. */
export function diff(before: string, after: string): DiffLine[] {
  const a = lines(before);
  const b = lines(after);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const same = (index: number): DiffLine => ({ how: "same", text: b[index] ?? "", at: index + 1 });
  const out: DiffLine[] = [];
  for (let index = 0; index < head; index += 1) out.push(same(index));
  out.push(...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail), head));
  for (let index = b.length - tail; index < b.length; index += 1) out.push(same(index));
  return out;
}

function middle(a: string[], b: string[], head: number): DiffLine[] {
  const gone = (index: number): DiffLine => ({ how: "gone", text: a[index] ?? "", at: head + index + 1 });
  const fresh = (index: number): DiffLine => ({ how: "new", text: b[index] ?? "", at: head + index + 1 });
  if (a.length * b.length > PAIRS_MAX) return [...a.map((_, index) => gone(index)), ...b.map((_, index) => fresh(index))];
  // How many lines are in common from here on.
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i * width + j] = a[i] === b[j] ? (common[(i + 1) * width + j + 1] ?? 0) + 1 : Math.max(common[(i + 1) * width + j] ?? 0, common[i * width + j + 1] ?? 0);
    }
  }
  const out: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ how: "same", text: b[j] ?? "", at: head + j + 1 });
      i += 1;
      j += 1;
    } else if (i < a.length && (j === b.length || (common[(i + 1) * width + j] ?? 0) >= (common[i * width + j + 1] ?? 0))) {
      out.push(gone(i));
      i += 1;
    } else {
      out.push(fresh(j));
      j += 1;
    }
  }
  return out;
}

/** Changed lines with so many lines around them; `undefined` where something is left out. */
export function hunks(all: readonly DiffLine[], around = 3): (DiffLine | undefined)[] {
  const near = all.map((_, index) => all.slice(Math.max(0, index - around), index + around + 1).some((line) => line.how !== "same"));
  const out: (DiffLine | undefined)[] = [];
  all.forEach((line, index) => {
    if (near[index] === true) out.push(line);
    else if (index === 0 || near[index - 1] === true) out.push(undefined);
  });
  return out;
}

function lines(text: string): string[] {
  const all = text.split("\n");
  if (all.at(-1) === "") all.pop();
  return all;
}

/** JSON as YAML, for people who know their file. */
export function yaml(value: unknown, indent = ""): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return " []\n";
    return `\n${value.map((one) => `${indent}-${nested(one, `${indent}  `)}`).join("")}`;
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value);
    if (entries.length === 0) return " {}\n";
    return `\n${entries.map(([key, one]) => `${indent}${scalar(key)}:${yaml(one, `${indent}  `)}`).join("")}`;
  }
  return ` ${scalar(value)}\n`;
}

/** An item of a list: its first key stands beside the dash. */
function nested(value: unknown, indent: string): string {
  const text = yaml(value, indent);
  return text.startsWith("\n") ? ` ${text.slice(1 + indent.length)}` : text;
}

function scalar(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  const isPlain = /^[A-Za-z_/.][\w ./@+%=-]*$/.test(value) && !/^(true|false|null|yes|no|on|off|~)$/i.test(value) && value.trim() === value;
  return isPlain ? value : JSON.stringify(value);
}
