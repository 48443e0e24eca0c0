"""What a reader has in the folder: files, a configuration, programs; and values for what stands for a value."""

import hashlib
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DEPS = ROOT / ".deps/clients"
TREE_FILES = 60
STAT_DELAY = "12ms"

RULES = """groups:
  - name: mine
    rules:
      - alert: NoCalls
        expr: sum by (server) (rate(mcp_requests_total[5m])) == 0
        for: 15m
"""
TESTS = """rule_files: [../rules/mine.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'mcp_requests_total{server="files"}', values: '0x40'}
    alert_rule_test:
      - {eval_time: 30m, alertname: NoCalls, exp_alerts: [{exp_labels: {server: files}}]}
"""


def configuration():
    """That of the stage's daemon: children with a slow disk, and the same server over HTTP."""
    return f"""servers:
  files:
    command: pilothouse
    args: [workbench, --root, tree, --stat-delay, {STAT_DELAY}]
    otel: true
    isolation: shared
    replicas: {{min: 2, max: 5}}
    timeouts: {{total: 3s}}
  search: {{url: "http://127.0.0.1:8000/mcp"}}
log: {{params: true}}
limits:
  search: {{tools: [searchFiles], rate: 1000/min}}
rules: {{files: [rules/mine.yml]}}
pins: {{mode: alert}}
"""


def fill(folder, is_bare, binary):
    folder.mkdir(parents=True)
    if is_bare:
        # A clone, as far as the first steps look at it; the release build is the binary under test.
        (folder / "target/release").mkdir(parents=True)
        (folder / "target/release/pilothouse").symlink_to(binary)
        (folder / "docs").symlink_to(ROOT / "docs")
        (folder / "node_modules").symlink_to(DEPS / "node_modules")
        return
    tree = folder / "tree"
    tree.mkdir()
    for number in range(TREE_FILES):
        (tree / f"note-{number}.txt").write_text(f"note {number}\n")
    (tree / "lib.rs").write_text("fn main() {}\n")
    for name, text in (("rules/mine.yml", RULES), ("tests/mine.yml", TESTS), ("package-lock.json", '{"lockfileVersion": 3, "packages": {}}')):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "pilothouse.yaml").write_text(configuration())
    certificate(folder)
    (folder / "node_modules").symlink_to(DEPS / "node_modules")
    (folder / "crates").symlink_to(ROOT / "crates")


SHA = hashlib.sha256(b"a program").hexdigest()


def certificate(folder):
    if not (folder / "cert.pem").exists():
        of_localhost = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "30"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem"]
        subprocess.run(["openssl", "req", "-x509", *key, *of_localhost, "-out", "cert.pem"], cwd=folder, check=True, capture_output=True)


def placeholders(command, house):
    """Words in capitals that a reader replaces by what he has."""
    for word, value in (
        ("--program URL", "--program https://files.example/pilothouse"),
        ("HEX", SHA),
        ("PID", str(house.pid)),
    ):
        command = re.sub(rf"\b{word}\b" if word.isalpha() else re.escape(word), value, command)
    return command


UV = f"""#!{DEPS}/venv-clients/bin/python
# Stands for `uv run FILE`: the packages that the file names have to be those that are installed here.
import importlib.metadata as metadata
import os, re, sys

command, file, *args = sys.argv[1:]
assert command == "run", sys.argv
head = re.search(r"# /// script\\n(.*?)# ///", open(file).read(), re.S)[1]
for name, version in re.findall(r'"([\\w-]+)==([\\w.]+)"', head):
    assert metadata.version(name) == version, (name, version, metadata.version(name))
assert "==" in head, head
os.execv(sys.executable, [sys.executable, file, *args])
"""


CARGO = """#!/bin/sh
# Stands for the release build: it is the binary under test, which lies where the build would put it.
test "$*" = "build --release" && test -x target/release/pilothouse
"""


def programs(folder):
    """The two programs that would reach for the internet or for minutes, and what stands for them."""
    for name, text in (("uv", UV), ("cargo", CARGO)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
