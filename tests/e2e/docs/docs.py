"""Every command block of the documentation, run against the real binary as a reader would run it.

    tests/e2e/docs/run [--list] [FILE…]

A block of `sh`, `bash` or `console` in README.md, CONTRIBUTING.md or docs/ is run, or a comment before it says why not:

    <!-- needs: kubernetes -->               an outside system; NEEDS below has them all
    <!-- shown by: tests/e2e/chain/run -->   another suite runs it, against what it needs
    <!-- output: example -->                 it is run, and what is shown below it is not compared
    <!-- file: pilothouse.yaml -->           the block is this file of the folder, for the blocks after it

Without a comment an output that is shown is compared: the words of each line, in their order, not the numbers. YAML
that is a configuration or a rule file is given to `pilothouse check` or `pilothouse rules check`; `<!-- is: … -->` says
what other YAML is. Links between documents have to lead somewhere.

Files are run one after the other in stages (stage.py), each in a network of its own: addresses are those that are
written, and a block that would reach the internet fails. PILOTHOUSE_BIN names the binary (default
target/debug/pilothouse); it also stands for the release build."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from links import broken
from markdown import COMMANDS, READ, blocks

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = Path(os.environ.get("PILOTHOUSE_BIN", TARGET / "debug/pilothouse"))
# What must be found out, so that a suite which finds nothing is not taken for one that has nothing to find.
WRONG = "tests/e2e/docs/wrong.md"
NEEDS = {
    "kubernetes": "a cluster",
    "registry": "npm, PyPI or an image registry over the internet",
    "internet": "a host of somebody else",
    "build": "the Rust toolchain and minutes, or Node for the console; other steps of CI do it",
    "elasticsearch": "Elasticsearch, OpenSearch or Kibana",
    "jaeger": "Jaeger or another store of traces",
    "grafana": "Grafana",
    "redis": "a Redis or Valkey",
    "root": "rights over the machine: packages, units of systemd, the kernel's log",
    "another server": "an MCP server of yours, as it is",
    "a month": "a month or more of recorded calls",
    "two machines": "another machine",
    "docker": "Docker or Podman",
}
STAGE_SECONDS_MAX = 170
# Two at a time: the daemon of one stage beside that of another.
STAGES_AT_ONCE = 2


def documents():
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [str(path.relative_to(ROOT)) for path in found]


def unfit(block):
    """What is wrong with a block's marks, or `None`."""
    if (need := block.marks.get("needs")) and need not in NEEDS:
        return f"`needs: {need}` is none of {', '.join(NEEDS)}"
    if suite := block.marks.get("shown by"):
        if not can_be_run(suite):
            return f"`shown by: {suite}` names nothing that can be run"
    if block.kind == "text" and block.text.startswith("$ "):
        return "a block with commands is of the kind `console`"
    if block.marks.get("output", "example") != "example":
        return "`output:` can be `example` only"
    return None


def can_be_run(suite):
    """A program of the repository, or `cargo test -p CRATE [MODULE]`."""
    if suite.startswith("cargo test -p "):
        crate, *module = suite.split()[3:]
        tests = ROOT / "crates" / crate / "tests/it"
        return (tests / f"{module[0]}.rs" if module else tests).exists()
    path = ROOT / suite.split()[0]
    return path.is_file() and os.access(path, os.X_OK)


def stages(files):
    """[(name, files)]: those that begin with nothing each alone, the others in two halves beside one daemon each."""
    from stage import BARE

    bare = [(file, [file]) for file in files if file in BARE]
    rest = [file for file in files if file not in BARE]
    return bare + [(f"half {half + 1}", rest[half::STAGES_AT_ONCE]) for half in range(STAGES_AT_ONCE) if rest[half::STAGES_AT_ONCE]]


def play(name, files):
    """Runs a stage in a network of its own; its reports."""
    # Processes of their own as well: when the stage ends or is killed, nothing that it started is left.
    network = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with tempfile.TemporaryDirectory(prefix="docs-") as scratch, tempfile.TemporaryFile("w+") as said:
        command = [*network, sys.executable, str(HERE / "stage.py"), str(BINARY), scratch, *files]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, start_new_session=True)
        try:
            out, _ = child.communicate(timeout=STAGE_SECONDS_MAX)
            code = child.returncode
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            out, _ = child.communicate()
            code = f"not done after {STAGE_SECONDS_MAX} s"
        reports = [json.loads(line) for line in out.splitlines()]
        if code != 0:
            said.seek(0)
            reports.append({"place": f"stage {name}", "wrong": f"ended with {code}: {said.read()[-3000:]}"})
        return reports


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="say of each block whether it is run, and run none")
    parser.add_argument("files", nargs="*", help="only these")
    options = parser.parse_args()
    started = time.monotonic()
    files = options.files or documents()
    every = [block for file in files for block in blocks(ROOT, file)]
    failed = [(block.place, wrong) for block in every if (wrong := unfit(block))]
    failed += broken(ROOT, files)
    if options.list:
        for block in every:
            print(f"{block.place} {block.kind} {'run' if block.is_run() else block.marks or '-'}")
        return
    if not os.access(BINARY, os.X_OK):
        sys.exit(f"no binary at {BINARY}: build it, or say where it is with PILOTHOUSE_BIN")
    if not (ROOT / ".deps/clients/node_modules").exists():
        sys.exit("the official server and client are not there: run tests/e2e/docs/install")

    due = {block.place for block in every if block.is_run()}
    with ThreadPoolExecutor(STAGES_AT_ONCE) as pool:
        todo = stages([file for file in files if any(place.rpartition(":")[0] == file for place in due)])
        reports = [report for found in pool.map(lambda stage: play(*stage), todo) for report in found]
    done = Counter()
    for report in reports:
        due.discard(report["place"])
        if report.get("wrong"):
            failed.append((report["place"], report["wrong"]))
        else:
            done[report["kind"]] += 1
            done["steps"] += report["steps"]
            done["compared"] += report["compared"]
    failed += [(place, "was not run") for place in sorted(due)]
    failed += not_noticed()
    for place, wrong in failed:
        print(f"FAIL {place}: {wrong}")
    tell(every, done, time.monotonic() - started)
    passed = sum(done[kind] for kind in COMMANDS + READ)
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(0 if passed and not failed else 1)


def not_noticed():
    """The blocks of WRONG that nothing was found wrong with."""
    every = blocks(ROOT, WRONG)
    noticed = {block.place for block in every if unfit(block)}
    noticed |= {report["place"] for report in play("wrong", [WRONG]) if report.get("wrong")}
    missed = [(block.place, "is wrong, and nobody noticed") for block in every if block.place not in noticed]
    return missed if broken(ROOT, [WRONG]) else [*missed, (WRONG, "has a broken link, and nobody noticed")]


def tell(every, done, seconds):
    marked = Counter()
    for block in every:
        if block.kind in COMMANDS:
            marked.update(f"{name}: {value}" for name, value in block.marks.items() if name in ("needs", "shown by"))
    for mark, count in sorted(marked.items()):
        print(f"     {count} marked `{mark}`")
    commands = sum(done[kind] for kind in COMMANDS)
    print(f"     `cargo build --release` is {BINARY.name} of PILOTHOUSE_BIN, `uv run` the packages of tests/clients")
    print(f"     {commands} blocks of commands run, {done['steps']} commands, {done['compared']} outputs compared")
    read = f"{done['yaml'] + done['json']} configurations and rule files checked, {done['promql']} blocks of PromQL asked"
    print(f"     {read}; {marked.total()} blocks marked; {seconds:.0f} s")


main()
