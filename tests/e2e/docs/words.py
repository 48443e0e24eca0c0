"""What a command's output is compared by: its words, not its numbers."""

import re

# Ids, digests, times and numbers differ from run to run; so do the widths of columns.
DIFFERING = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z?"), "TIME"),
    (re.compile(r"\d\d-\d\d \d\d:\d\d:\d\d\.\d+ UTC|\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC"), "TIME"),
    (re.compile(r"ph_[\w-]{10,}"), "KEY"),
    (re.compile(r"\b[0-9a-f]{8,64}\b"), "ID"),
    (re.compile(r"\d+(\.\d+)*"), "N"),
    (re.compile(r"\b(N )?(ms|s)\b"), "TIME"),
    (re.compile(r"\s+"), " "),
    (re.compile(r"-{2,}"), "--"),
)


def shape(line):
    for pattern, word in DIFFERING:
        line = pattern.sub(word, line)
    return line.strip()


def missing(expected, got):
    """The first line that is shown and was not printed after those before it; `None` when all were.

    `…` in a line stands for any text, a line of it alone for any lines."""
    shapes = [shape(line) for line in got]
    at = 0
    for line in expected:
        if line.strip() in ("", "…"):
            continue
        wanted = re.compile(".*".join(re.escape(shape(part)) for part in line.split("…")) + ("" if "…" in line else "$"))
        found = next((index for index in range(at, len(shapes)) if wanted.match(shapes[index])), None)
        if found is None:
            return line
        at = found + 1
    return None
