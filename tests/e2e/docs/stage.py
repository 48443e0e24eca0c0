"""One stage of docs.py, inside a network of its own: a folder, a home, a daemon with traffic, and the blocks of some files.

    stage.py BINARY SCRATCH FILE…

Prints one JSON line for each block. A documented `pilothouse run` takes the place of the daemon that is there; the next
file has the stage's own one again."""

import fcntl
import json
import os
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path

from house import House
from markdown import COMMANDS, blocks
import promql
from shell import Shell
from yard import ROOT, fill, placeholders, programs
import yamls

# These begin with nothing: they are the first steps, and say themselves what to start.
BARE = {
    "README.md",
    "docs/ja/README.md",
    "docs/ja/quickstart.md",
    "docs/guide/install.md",
    "docs/ja/guide/install.md",
}
# Looks at the ends that only a test can: what the five commands left behind.
MARK_OF_FIVE = "uv run docs/examples/client.py"


def loopback_up():
    """A new network has a loopback that is down: SIOCSIFFLAGS with IFF_UP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh14x", b"lo", 1))


def say(**report):
    print(json.dumps(report), flush=True)


def play(block, shell, house):
    """Runs a block: what is wrong, how many commands and how many outputs were compared."""
    if "file" in block.marks:
        (shell.here() / block.marks["file"]).write_text(block.text)
    if block.kind in ("yaml", "json"):
        return yamls.check(block, shell), 1, 0
    if block.kind == "promql":
        return promql.check(block, shell), 1, 0
    compared = 0
    for command, expected in block.steps():
        if block.marks.get("output") == "example" and not (expected and expected[0].startswith("error")):
            expected = None
        wrong = house.start(command, expected) if house.is_start(command) else shell.run(placeholders(command, house), expected)
        if wrong:
            return f"`{command}`: {wrong}", 0, 0
        compared += bool(expected)
    if block.kind in COMMANDS and MARK_OF_FIVE in block.text:
        return house.unseen(), len(block.steps()), compared
    return None, len(block.steps()), compared


def main():
    binary, scratch, files = Path(sys.argv[1]).resolve(), Path(sys.argv[2]), sys.argv[3:]
    loopback_up()
    is_bare = files[0] in BARE
    shell = Shell(scratch, binary)
    programs(scratch / "bin")
    house, own = House(shell, scratch), scratch / "own"
    fill(own, is_bare, binary)
    try:
        for file in files:
            folder = scratch / re.sub(r"\W+", "-", file)
            fill(folder, is_bare, binary)
            if not is_bare:
                house.own(own)
            shell.enter(folder)
            for block in blocks(ROOT, file):
                if block.is_run():
                    try:
                        wrong, steps, compared = play(block, shell, house)
                    except Exception as error:  # noqa: BLE001: a report for each block, whatever happens
                        wrong, steps, compared = f"{type(error).__name__}: {error}", 0, 0
                    say(place=block.place, kind=block.kind, wrong=wrong, steps=steps, compared=compared)
    finally:
        house.stop()


if __name__ == "__main__":
    main()
