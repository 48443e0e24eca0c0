"""The fenced blocks of a Markdown file, and what the comments before them say of them."""

import re
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"^(\s*)```(\S*)(.*)$")
MARK = re.compile(r"^<!-- (needs|shown by|output|is|file): (.+?) -->$")
COMMANDS = ("sh", "bash", "console")
# Given to the binary in other ways.
READ = ("yaml", "json", "promql")


@dataclass
class Block:
    file: str
    line: int
    kind: str
    text: str
    marks: dict = field(default_factory=dict)

    @property
    def place(self):
        return f"{self.file}:{self.line}"

    def is_run(self):
        """Whether a stage has it; else a mark says why not, or it is nothing that a program reads."""
        return self.kind in COMMANDS + READ and not {"needs", "shown by", "is"} & self.marks.keys()

    def steps(self):
        """Its commands, each with the output that is shown below it (`None` where none is)."""
        return shown(self.text) if self.kind == "console" else [(command, None) for command in joined(self.text)]


def blocks(root: Path, file: str):
    """The blocks of a file in their order."""
    found, marks, opened = [], {}, None
    for number, line in enumerate((root / file).read_text().splitlines(), 1):
        fence = FENCE.match(line)
        if opened is not None:
            if fence and not fence[2]:
                opened.text = "\n".join(lines) + "\n"
                found.append(opened)
                opened, marks = None, {}
            else:
                lines.append(line.removeprefix(indent))
        elif fence:
            indent, lines = fence[1], []
            opened = Block(file, number, fence[2], "", marks)
        elif mark := MARK.match(line.strip()):
            marks[mark[1]] = mark[2]
        elif line.strip():
            marks = {}
    assert opened is None, f"{file}:{opened.line}: the block does not end"
    return found


def shown(text):
    """Of a `console` block: a command is a line that begins with `$ `, with the lines that continue it."""
    steps = []
    continues = False
    for line in text.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        elif continues:
            steps[-1] = (steps[-1][0] + "\n" + line, steps[-1][1])
        elif steps:
            steps[-1][1].append(line)
        continues = continues and line.endswith("\\") or line.startswith("$ ") and line.endswith("\\")
    return steps


def joined(text):
    """Of a `sh` block: one command a line, unless a line continues it or a here-document does."""
    commands, until = [], None
    for line in text.splitlines():
        if until or commands and commands[-1].endswith("\\"):
            commands[-1] += "\n" + line
            until = None if line == until else until
            continue
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        commands.append(line)
        if here := re.search(r"<<-?\s*'?(\w+)'?", line):
            until = here[1]
    return commands
