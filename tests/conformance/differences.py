"""`stdio-differences.txt`: unscored checks that may say something else over stdio, each with its reason."""

from dataclasses import dataclass
from pathlib import Path

from processes import Failure
from suite import Key, Results, differing, unscored

FILE = Path(__file__).resolve().parent / "stdio-differences.txt"


@dataclass(frozen=True)
class Entry:
    line: int
    revision: str
    key: Key
    direct: str
    through: str


def load(file: Path = FILE) -> list[Entry]:
    entries = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 6 or not all(fields):
            raise Failure(f"{file.name}:{number}: want `revision | scenario | check | direct | through | reason`")
        revision, scenario, check, direct, through, _reason = fields
        if scenario not in unscored(revision):
            raise Failure(f"{file.name}:{number}: `{scenario}` is scored for {revision}; it may not differ")
        entries.append(Entry(number, revision, (scenario, check), direct, through))
    return entries


def problems(revision: str, direct: Results, through: Results) -> tuple[list[Key], list[str]]:
    """The checks that differ without an entry, and the entries that say what did not happen."""
    entries = [entry for entry in load() if entry.revision == revision]
    seen = {(key, direct.said(key), through.said(key)) for key in differing(direct, through)}
    allowed = {(entry.key, entry.direct, entry.through) for entry in entries}
    stale = [entry for entry in entries if (entry.key, entry.direct, entry.through) not in seen]
    lines = [f"{FILE.name}:{entry.line} is stale: {' '.join(entry.key)}, {entry.direct} / {entry.through}" for entry in stale]
    return sorted({key for key, *said in seen if (key, *said) not in allowed}), lines
