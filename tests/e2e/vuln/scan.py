"""What `pilothouse vuln scan` says of old releases of real servers, as npm and pip install them.

The advisories are the records in osv/: facts of public advisories, told in other words, each with its source. What is
written is given to judges: SARIF's schema, CycloneDX's own library. Nothing of the servers is run.

PILOTHOUSE_BIN names the binary (default target/debug/pilothouse)."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = os.environ.get("PILOTHOUSE_BIN", str(TARGET / "debug/pilothouse"))
DEPS = ROOT / ".deps/vuln"
FILESYSTEM, REMOTE, GIT = DEPS / "npm-filesystem", DEPS / "npm-remote", DEPS / "git"
SARIF = DEPS / "sarif-schema/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"

checks = []


def check(name, is_right, why=""):
    checks.append(bool(is_right))
    print(f"{'ok  ' if is_right else 'FAIL'} {name}{'' if is_right else f': {why}'}", flush=True)


def run(*args, cwd, env=None):
    command = [BINARY, "vuln", *map(str, args)]
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


class Desk:
    """A folder to work in, with advisories."""

    def __init__(self, folder, *as_of):
        self.folder = Path(folder)
        self.db = self.folder / "advisories"
        code, out, err = run("db", "import", HERE / "osv", "--db", self.db, *as_of, cwd=self.folder)
        check("the advisories are taken", code == 0, out + err)

    def scan(self, *args, env=None):
        return run("scan", *args, "--db", self.db, cwd=self.folder, env=env)

    def report(self, *args, env=None):
        code, out, err = self.scan(*args, "--format", "json", env=env)
        try:
            return code, json.loads(out)
        except ValueError:
            return code, {"outcome": f"no report: {out}{err}", "findings": [], "unchecked": [], "differences": [], "counts": {}}


def found(report):
    return sorted((one["id"], one["package"], one["version"]) for one in report["findings"])


OF_FILESYSTEM = [
    (id, "@modelcontextprotocol/server-filesystem", "0.5.1") for id in ("GHSA-hc55-p739-j48w", "GHSA-q66q-fx2p-7w4m")
]
OF_REMOTE = [("GHSA-6xpm-ggf7-wc3p", "mcp-remote", "0.1.0")]
OF_GIT = [("GHSA-j22h-9j4x-23w5", "mcp-server-git", "2025.7.1")]


def trees(desk):
    for name, root, wanted, packages in [
        ("server-filesystem 0.5.1", FILESYSTEM, OF_FILESYSTEM, 58),
        ("mcp-remote 0.1.0", REMOTE, OF_REMOTE, 82),
    ]:
        code, report = desk.report(root)
        check(f"{name}: the installed tree", (code, found(report)) == (1, wanted), report["outcome"])
        check(f"{name}: its packages", report["counts"].get("packages", 0) >= packages - 10, report["counts"])
        code, locked = desk.report(root / "package-lock.json")
        check(f"{name}: the lockfile alone", (code, found(locked)) == (1, wanted), found(locked))
        same = [one for one in report["differences"] if one["installed"] and one["locked"]]
        check(f"{name}: both name the same versions", not same, same)
    code, report = desk.report(GIT)
    check("mcp-server-git 2025.7.1: the environment", (code, found(report)) == (1, OF_GIT), report["outcome"])


def differs(desk):
    """Somebody has installed another version than is locked."""
    root = desk.folder / "moved"
    shutil.copytree(REMOTE, root, symlinks=True)
    package = root / "node_modules/mcp-remote/package.json"
    text = json.loads(package.read_text())
    package.write_text(json.dumps({**text, "version": "0.1.16"}))
    code, report = desk.report(root)
    moved = [(one["package"], one["locked"], one["installed"]) for one in report["differences"]]
    check("what is installed counts, not what is locked", found(report) == [], found(report))
    check("and that they differ is told", ("mcp-remote", "0.1.0", "0.1.16") in moved, moved)


def servers(desk):
    cache = desk.folder / "npm"
    tree = cache / "_npx/0123456789abcdef"
    shutil.copytree(REMOTE, tree, symlinks=True)
    (tree / "package.json").write_text(json.dumps({"_npx": {"packages": ["mcp-remote@0.1.0"]}}))
    script = FILESYSTEM / "node_modules/@modelcontextprotocol/server-filesystem/dist/index.js"
    (desk.folder / "pilothouse.yaml").write_text(f"""
servers:
  files: {{command: node, args: [{script}, /tmp]}}
  remote: {{command: npx, args: [-y, mcp-remote@0.1.0, 'https://mcp.example.com/mcp']}}
  git: {{command: {GIT}/bin/python, args: [-m, mcp_server_git]}}
  gitscript: {{command: {GIT}/bin/mcp-server-git}}
  far: {{url: 'https://mcp.example.com/mcp'}}
  boxed: {{command: docker, args: [run, -i, --rm, mcp/git]}}
  other: {{command: npx, args: [-y, some-server]}}
""")
    env = {"npm_config_cache": str(cache)}
    for name, wanted in [("files", OF_FILESYSTEM), ("remote", OF_REMOTE), ("git", OF_GIT), ("gitscript", OF_GIT)]:
        code, report = desk.report(name, env=env)
        check(f"server {name}: what its command runs", (code, found(report)) == (1, wanted), (report["outcome"], report["unchecked"]))
    for name, word in [("far", "not inventoried"), ("boxed", "docker save"), ("other", "start the server once")]:
        code, report = desk.report(name, env=env)
        why = " ".join(one["why"] for one in report["unchecked"])
        check(f"server {name}: cannot be seen, and says so", (code, report["outcome"]) == (3, "unknown") and word in why, why)
    code, _, err = desk.scan("nobody", env=env)
    check("a word that names nothing", code == 2 and "neither a file or folder here nor a server" in err, err)
    (desk.folder / "pilothouse.yaml").unlink()


def forms(desk):
    sarif = desk.folder / "out.sarif"
    code, out, _ = desk.scan(REMOTE, "--format", "sarif", "--output", sarif)
    check("the file is written whatever the exit code, the table goes to standard output", code == 1 and sarif.exists() and "CVE-2025-6514" in out, out)
    judge = [sys.executable, "-m", "check_jsonschema", "--regex-variant", "nonunicode", "--schemafile", str(SARIF), str(sarif)]
    done = subprocess.run(judge, capture_output=True, text=True)
    check("SARIF: its schema", done.returncode == 0, done.stdout + done.stderr)
    broken = json.loads(sarif.read_text())
    broken["runs"][0]["results"][0]["level"] = "severe"
    sarif.write_text(json.dumps(broken))
    check("SARIF: a broken one is refused", subprocess.run(judge, capture_output=True).returncode != 0)
    for form in ("cyclonedx-vex", "cyclonedx"):
        _, out, _ = desk.scan(REMOTE, "--format", form)
        problems = JsonStrictValidator(SchemaVersion.V1_6).validate_str(out)
        check(f"{form}: its schema", problems is None, problems)
    code, out, _ = desk.scan(REMOTE, "--format", "openvex")
    document = json.loads(out)
    states = {(one["vulnerability"]["name"], one["status"]) for one in document["statements"]}
    check("OpenVEX: one statement", states == {("CVE-2025-6514", "under_investigation")}, states)


def exits(desk):
    empty = desk.folder / "empty"
    empty.mkdir()
    code, report = desk.report(empty)
    check("nothing to scan is not clean", (code, report["outcome"]) == (3, "unknown"), code)
    (empty / "package-lock.json").write_text('{"lockfileVersion": 3, "packages": {"": {}, "node_modules/mcp-remote": {"version": "0.1.16"}}}')
    code, report = desk.report(empty)
    check("a patched version is clean", (code, report["outcome"]) == (0, "clean"), report)
    (empty / "package-lock.json").write_text('{"lockfileVersion": 3, "packages": {')
    code, report = desk.report(empty)
    why = " ".join(one["why"] for one in report["unchecked"])
    check("a broken lockfile is not clean, and has its place", code == 3 and "1:" in why or "line 1" in why, why)
    code, _ = desk.report(GIT, "--fail-on", "high")
    check("below the wanted severity is no failure", code == 0, code)
    code, _ = desk.report(GIT, "--fail-on", "medium")
    check("at the wanted severity is one", code == 1, code)
    stale = desk.folder / "stale"
    stale.mkdir()
    old = Desk(stale, "--as-of", "3d")
    (stale / "package-lock.json").write_text('{"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": {"version": "1.0.0"}}}')
    code, report = old.report("package-lock.json")
    check("old advisories are never clean", code == 3 and report["database"]["is_stale"], report["doubts"] if "doubts" in report else report)
    code, _, err = run("scan", "package-lock.json", "--db", stale / "none", "--format", "json", cwd=stale)
    check("without advisories nothing is clean", code == 3 and "vuln db update" in err, err)


def merged(desk):
    reports = ROOT / "crates/ph-vuln/tests/scanners"
    project = desk.folder / "merged"
    project.mkdir()
    (project / "package-lock.json").write_text('{"lockfileVersion": 3, "packages": {"": {"dependencies": {"base64url": "2.0.0"}}, "node_modules/base64url": {"version": "2.0.0"}}}')
    args = [flag for name in ("npm-audit.json", "yarn-audit.jsonl") for flag in ("--merge", reports / name)]
    code, report = desk.report(project, *args)
    by = [(one["id"], one["version"], one["found_by"]) for one in report["findings"]]
    check("two scanners' reports of one thing are one finding", (code, by) == (1, [("GHSA-rvg8-pwq2-xj7q", "2.0.0", ["npm audit", "yarn audit"])]), by)
    code, report = desk.report(project, "--merge", reports / "pip-audit-skipped.json")
    check("pip-audit's silence is not clean", (code, report["outcome"]) == (3, "unknown"), report["outcome"])
    code, _, err = desk.scan(project, "--merge", reports / "npm-audit-failed.json")
    check("a scanner that failed is an error", code == 2 and "405" in err, err)


def trivy(desk):
    """A program of that name that says it is a compromised release."""
    folder = desk.folder / "bin"
    folder.mkdir()
    program = folder / "trivy"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\necho Version: 0.69.5\n')
    program.chmod(0o755)
    env = {"PATH": f"{folder}:{os.environ['PATH']}"}
    code, _, err = desk.scan("alpine:3.20", "--trivy", env=env)
    asked = (folder / "asked").read_text().split("\n")[:-1]
    check("a compromised Trivy is refused with the reason", code == 2 and "GHSA-69fq-xp46-6x23" in err, err)
    check("and is asked for nothing but its version", asked == ["--version"], asked)
    report = (ROOT / "crates/ph-vuln/tests/scanners/trivy.json").as_posix()
    program.write_text(f"#!/bin/sh\ncase $1 in --version) echo Version: 0.70.0;; *) cat {report};; esac\n")
    code, result = desk.report("alpine:3.20", "--trivy", env=env)
    check("what another finds is in the report", (code, found(result)) == (1, [("CVE-2019-11358", "jquery", "3.3.9")]), result["outcome"])


def main():
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(folder)
        for part in (trees, differs, servers, forms, exits, merged, trivy):
            part(desk)
    failed = checks.count(False)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed or not checks else 0


if __name__ == "__main__":
    sys.exit(main())
