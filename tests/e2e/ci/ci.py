"""What `pilothouse generate github-actions|gitlab-ci|renovate|trivy` writes, given to programs that judge such files:
the schemas of GitHub's workflows, GitLab's pipelines and Renovate (check-jsonschema), zizmor as an auditor, and
Renovate's own validator. The step that downloads the program is run as it was written: a file with another hash is not
run. What cannot be made truthfully (an action whose commit nobody has named, an image without a digest) is refused.

PILOTHOUSE_BIN names the binary (default target/debug/pilothouse)."""

import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = os.environ.get("PILOTHOUSE_BIN", str(TARGET / "debug/pilothouse"))
DEPS = ROOT / ".deps/ci"
VENV = DEPS / "venv/bin"

PROGRAM = b"#!/bin/sh\necho I am run\n"
SHA256 = hashlib.sha256(PROGRAM).hexdigest()
DOWNLOAD = ["--program", "https://files.example/pilothouse", "--sha256", SHA256]
IMAGE = ["--image", f"node@sha256:{SHA256}"]
LOCKFILES = {
    "npm": ("package-lock.json", "{}"),
    "yarn": ("yarn.lock", "# yarn lockfile v1\n"),
    "yarn-berry": ("yarn.lock", "__metadata:\n  version: 8\n"),
    "pnpm": ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n"),
    "uv": ("uv.lock", "version = 1\n"),
    "poetry": ("poetry.lock", ""),
    "pip": ("requirements.txt", ""),
    "cargo": ("Cargo.lock", "version = 4\n"),
}
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v[\w.]+")

checks = []


def check(name, is_right, why=""):
    checks.append(bool(is_right))
    print(f"{'ok  ' if is_right else 'FAIL'} {name}{'' if is_right else f': {why}'}", flush=True)


def run(*command, cwd=None, env=None):
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def generate(what, *args, cwd):
    return run(BINARY, "generate", what, *args, cwd=cwd)


def accepted(name, *command, cwd):
    code, said = run(*command, cwd=cwd)
    check(name, code == 0, said[-2000:])


def judge(folder, manager):
    """One manager's files, by all who have an opinion on them."""
    schema = lambda name, file: [VENV / "check-jsonschema", "--builtin-schema", f"vendor.{name}", file]
    for what, args in (("github-actions", DOWNLOAD), ("gitlab-ci", DOWNLOAD + IMAGE), ("trivy", [])):
        code, said = generate(what, *args, "--out", ".", cwd=folder)
        check(f"{manager}: {what}", code == 0, said)
    workflows = sorted((folder / ".github/workflows").glob("*.yml"))
    check(f"{manager}: two workflows", len(workflows) == 2, str(workflows))
    for file in workflows:
        accepted(f"{manager}: GitHub's schema, {file.name}", *schema("github-workflows", file), cwd=folder)
        uses = re.findall(r"uses: (.*)", file.read_text())
        check(f"{manager}: commits, {file.name}", uses and all(map(PINNED.fullmatch, uses)), str(uses))
    accepted(f"{manager}: GitLab's schema", *schema("gitlab-ci", ".gitlab-ci.yml"), cwd=folder)
    accepted(f"{manager}: zizmor", VENV / "zizmor", "--offline", "--persona", "auditor", ".", cwd=folder)


def updates(folder):
    code, said = generate("renovate", "--out", ".", cwd=folder)
    check("renovate", code == 0, said)
    accepted("renovate: its schema", VENV / "check-jsonschema", "--builtin-schema", "vendor.renovate", "renovate.json", cwd=folder)
    validator = DEPS / "node_modules/.bin/renovate-config-validator"
    accepted("renovate: its validator", validator, "--strict", "renovate.json", cwd=folder)
    config = json.loads((folder / "renovate.json").read_text())
    broken = {**config, "packageRules": [{"matchUpdateTypes": "patch", "automerg": True}]}
    (folder / "broken.json").write_text(json.dumps(broken))
    code, _ = run(validator, "--strict", "broken.json", cwd=folder)
    check("renovate: the validator refuses what is wrong", code != 0)


def download(folder):
    """The step that gets the program, with its file and with another."""
    class Files(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = PROGRAM if self.path == "/right" else PROGRAM + b"evil\n"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    workflow = yaml.safe_load((folder / ".github/workflows/vulnerabilities.yml").read_text())
    step = next(step for step in workflow["jobs"]["scan"]["steps"] if step.get("name") == "Get Pilothouse")
    for path, want in (("right", 0), ("wrong", 1)):
        url = f"http://127.0.0.1:{server.server_port}/{path}"
        env = {**os.environ, **step["env"], "PILOTHOUSE_URL": url}
        with tempfile.TemporaryDirectory() as checkout:
            script = step["run"] + ".pilothouse/pilothouse\n"
            code, said = run("bash", "-eo", "pipefail", "-c", script, cwd=checkout, env=env)
        check(f"the {path} file", code == want and ("I am run" in said) == (want == 0), f"{code}: {said}")
    server.shutdown()


def refusals(folder):
    """What is refused, and that the message says what to do."""
    empty = folder / "empty"
    empty.mkdir()
    two = folder / "two"
    two.mkdir()
    for name in ("package-lock.json", "uv.lock"):
        (two / name).write_text("{}")
    tag = ["--pin", "actions/checkout@v4"]
    for name, cwd, command, wants in (
        ("no lockfile", empty, ["github-actions", *DOWNLOAD], ["no lockfile", "--manager"]),
        ("two lockfiles", two, ["github-actions", *DOWNLOAD], ["package-lock.json, uv.lock", "--manager"]),
        ("a tag as a pin", folder, ["trivy", *tag], ["40 hexadecimal digits"]),
        ("an image without a digest", folder, ["gitlab-ci", *DOWNLOAD, "--image", "node:22"], ["@sha256:"]),
        ("no hash", folder, ["github-actions", "--program", "https://files.example/p", "--sha256", "abc"], ["64 hexadecimal"]),
        ("http", folder, ["github-actions", "--program", "http://files.example/p", "--sha256", SHA256], ["https://"]),
        ("a branch with a line break", folder, ["trivy", "--branch", "a\nb"], ["--branch"]),
        ("a manager that is none", folder, ["github-actions", *DOWNLOAD, "--manager", "npn"], ["npm, yarn"]),
    ):
        code, said = generate(*command, cwd=cwd)
        check(f"refused: {name}", code == 2 and all(want in said for want in wants), f"{code}: {said}")
    check("nothing is left of what is refused", list(empty.iterdir()) == [])


def main():
    with tempfile.TemporaryDirectory() as home:
        for manager, (name, text) in LOCKFILES.items():
            folder = Path(home) / manager
            folder.mkdir()
            (folder / name).write_text(text)
            judge(folder, manager)
        folder = Path(home) / "npm"
        updates(folder)
        download(folder)
        refusals(folder)
        code, said = generate("github-actions", *DOWNLOAD, "--out", ".", "--check", cwd=folder)
        check("--check: the same", code == 0, said)
        code, said = generate("github-actions", *DOWNLOAD, "--branch", "trunk", "--out", ".", "--check", cwd=folder)
        check("--check: differs", code == 1, said)
    failed = checks.count(False)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed or not checks else 0


if __name__ == "__main__":
    sys.exit(main())
