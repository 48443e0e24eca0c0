// Text of servers and clients is foreign. It is only ever shown as text; here it loses what could deceive a reader:
// escape sequences, controls, marks that turn the direction of text or are not seen, and length.

const SHOWN_MAX = 2000;

// Escape sequences of terminals: CSI, OSC (ended by BEL or ST), and the two-character ones.
// eslint-disable-next-line no-control-regex
const ANSI = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

function visible(mark: string): string {
  const code = mark.codePointAt(0) ?? 0;
  return code === 0x0d ? "" : `\\u{${code.toString(16)}}`;
}

/** What is shown of a foreign text: no more than `max` characters, nothing hidden. */
export function inert(text: unknown, max = SHOWN_MAX): string {
  const whole = typeof text === "string" ? text : text === undefined || text === null ? "" : JSON.stringify(text);
  // Cut first: a text of a megabyte is not searched through.
  let cut = whole.length > max ? whole.slice(0, max) : whole;
  if (/[\ud800-\udbff]$/.test(cut)) cut = cut.slice(0, -1);
  const clean = cut.replace(ANSI, "").replace(HIDDEN, visible);
  return whole.length > max ? `${clean}… (+${(whole.length - max).toLocaleString()})` : clean;
}

/** One line of it. */
export function line(text: unknown, max = 300): string {
  return inert(text, max).replace(/\s*\n\s*/g, " ⏎ ");
}
