"""A server on the official SDK lays what a tool is given over its settings, with lodash 4.17.4 and with 4.17.21.

The old one is found, and said to be reachable from the tool, at file and line; both ways to the prototype of all objects
are demonstrated through MCP; the tests that are generated for Vitest and Jest fail in the server's own suite. The commands that `vuln patch`
names move lodash, which `vuln verify` sees, in the lockfile and in what is installed. The new one shows none of it, and
is still not called safe. A small server that is weak in every class shows each over stdio and HTTP, with sessions and
without, and one that is not shows none; the test for pytest fails with the one and passes with the other.

PILOTHOUSE_BIN names the binary (default target/debug/pilothouse)."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = os.environ.get("PILOTHOUSE_BIN", str(TARGET / "debug/pilothouse"))
DEPS = ROOT / ".deps/pollution"
CLASS = ["--class", "prototype-pollution"]

checks = []


def check(name, is_right, why=""):
    checks.append(bool(is_right))
    print(f"{'ok  ' if is_right else 'FAIL'} {name}{'' if is_right else f': {why}'}", flush=True)


def run(*command, cwd):
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


def vuln(*args, cwd):
    return run(BINARY, "vuln", *args, cwd=cwd)


def exposure(server, place):
    code, out, err = vuln("exposure", ".", "--json", *place, cwd=server)
    findings = [one for one in json.loads(out)["findings"] if one["id"] == "CVE-2018-16487"] if out else []
    check("the old one is found", code == 1 and len(findings) == 1, f"{code} {out} {err}")
    if not findings:
        return
    check("reachable", findings[0]["level"] == "reachable", out)
    uses = {(use["file"], use["line"]): use for use in findings[0]["uses"]}
    use = uses.get(("settings.js", 6), {"text": "", "reach": []})
    check("at file and line, with the call", "lodash.merge(settings, patch)" in use["text"], out)
    reach = [(one["tool"], one["through"], one["takesInput"]) for one in use["reach"]]
    check("from the tool, with its input", reach == [("change_settings", ["apply"], True)], str(reach))


def demonstrated(server):
    code, out, err = vuln("test", "--yes", "--json", *CLASS, "--", "node", "server.js", cwd=server)
    if not out:
        return code, [], err
    outcome = json.loads(out)["classes"][0]
    return code, [one["what"] for one in outcome["demonstrated"]], outcome["outcome"]


def suites(server, is_weak):
    """The test that is written, in each runner that it is written for."""
    vitest = ["npx", "--no-install", "vitest", "run", "--dir", "for-vitest"]
    jest = ["node", "--experimental-vm-modules", DEPS / "node_modules/jest/bin/jest.js", "for-jest"]
    for name, command in {"Vitest": vitest, "Jest": jest}.items():
        code, out, err = run(*command, cwd=server)
        says = "fails with the old one" if is_weak else "passes with the new one"
        count = "1 failed" if is_weak else "1 passed"
        check(f"the test for {name} {says}", code == is_weak and count in out + err, out + err)


def old(server, place):
    exposure(server, place)
    code, whats, said = demonstrated(server)
    check("both ways are demonstrated", code == 1 and len(whats) == 2, f"{code} {whats} {said}")
    for name in ("vitest", "jest"):
        place_of_it = ["--regression", name, "--out", f"for-{name}"]
        code, out, err = vuln("test", "--yes", *CLASS, *place_of_it, "--", "node", "server.js", cwd=server)
        written = server / f"for-{name}/prototype-pollution.regression.test.mjs"
        check(f"a test for {name} is written", code == 1 and written.exists(), out + err)
    suites(server, is_weak=True)
    code, out, err = vuln("test", *CLASS, "--", "node", "server.js", cwd=server)
    check("nothing is sent without --yes", code == 2 and "--yes" in err, f"{code} {err}")
    code, out, err = vuln("verify", "npm/lodash@4.17.11", ".", *place, cwd=server)
    check("it has not moved", code == 1 and "NOT moved" in out, f"{code} {out} {err}")


def patch(server, place):
    code, out, err = vuln("patch", ".", "--json", *place, cwd=server)
    upgrades = json.loads(out)["upgrades"] if out else []
    locked = [one for one in upgrades if one["file"].endswith("package-lock.json")]
    check("the upgrade is named", locked and {one["to"] for one in locked} == {"4.17.11"}, f"{code} {out} {err}")
    if not locked:
        return
    check("as a command", locked[0]["commands"] == ["npm install --ignore-scripts lodash@4.17.11"], out)
    lockfile = server / "package-lock.json"
    before = lockfile.read_text()
    locked_only = json.loads(before)
    locked_only["packages"]["node_modules/lodash"]["version"] = "4.17.11"
    lockfile.write_text(json.dumps(locked_only))
    code, out, err = vuln("verify", "npm/lodash@4.17.11", ".", *place, cwd=server)
    said = "the lockfile says 4.17.11, installed is 4.17.4"
    check("a new lockfile moves nothing that is installed", code == 1 and said in out, f"{code} {out} {err}")
    lockfile.write_text(before)
    for command in locked[0]["commands"]:
        done = subprocess.run(command, shell=True, cwd=server, capture_output=True, text=True, timeout=300)
        check(f"`{command}`", done.returncode == 0, done.stderr)
    code, out, err = vuln("verify", "npm/lodash@4.17.11", ".", *place, cwd=server)
    check("it has moved, locked and installed", code == 0 and out.startswith("moved: 4.17.11"), f"{code} {out} {err}")
    code, out, err = vuln("scan", ".", *place, cwd=server)
    check("nothing is found any more", code == 0, f"{code} {out} {err}")


def new(server, place):
    code, whats, said = demonstrated(server)
    check("the new one shows none", code == 0 and whats == [] and said == "not demonstrated", f"{code} {whats} {said}")
    for name in ("for-vitest", "for-jest"):
        shutil.copytree(DEPS / "old-copy" / name, server / name)
    suites(server, is_weak=False)
    code, out, err = vuln("scan", ".", *place, cwd=server)
    check("and nothing is found in it", code == 0, f"{code} {out} {err}")


def outcomes(out):
    return {one["class"]: one for one in json.loads(out)["classes"]} if out else {}


def judge(name, code, out, err, is_weak, classes):
    """Each class is demonstrated by the tool that is weak, and by no other; a strong server shows none, and is not
    called safe."""
    found = outcomes(out)
    tools = {"command-injection": {"run"}, "ssrf": {"fetch"}, "redos": {"match"}}
    # What fetches any address reads `file:`, too.
    tools["path-traversal"] = {"read", "fetch"}
    for word in classes:
        one = found.get(word, {"outcome": "missing", "demonstrated": [], "calls": 0})
        shown = {each["tool"] for each in one["demonstrated"]}
        wanted = ("demonstrated", tools[word]) if is_weak else ("not demonstrated", set())
        is_right = (one["outcome"], shown) == wanted and one["calls"] > 0
        check(f"{name}: {word} is {wanted[0]}", is_right, f"{one['outcome']} {shown} {err}")
    check(f"{name}: exit code", code == (1 if is_weak else 0), f"{code} {err}")


def weak(home):
    """Every class over both transports in both eras, with a server that is weak and with one that is not."""
    server = [sys.executable, str(HERE / "weak.py")]
    fast = ["path-traversal", "command-injection", "ssrf"]
    slow = [*fast, "redos"]
    for is_weak in (True, False):
        strength = [] if is_weak else ["--strong"]
        for era in ("legacy", "modern"):
            name = f"{'weak' if is_weak else 'strong'} {era}"
            classes = slow if era == "modern" else fast
            args = [word for one in classes for word in ("--class", one)]
            args += ["--timeout", "2", "--yes", "--json"]
            command = ["--", *server, "--era", era, *strength]
            code, out, err = vuln("test", *args, *command, cwd=home)
            judge(f"{name} stdio", code, out, err, is_weak, classes)
            running = subprocess.Popen(
                [*server, "--era", era, "--http", *strength], stderr=subprocess.PIPE, text=True, cwd=home
            )
            try:
                url = running.stderr.readline().strip()
                args = [word for one in fast for word in ("--class", one)]
                args += ["--yes", "--json"]
                code, out, err = vuln("test", url, *args, cwd=home)
                check(f"{name} http: nothing is sent without --test-instance", code == 2 and "--test-instance" in err, err)
                code, out, err = vuln("test", url, "--test-instance", *args, cwd=home)
                judge(f"{name} http", code, out, err, is_weak, fast)
                Path(home, "pilothouse.yaml").write_text(f"servers: {{weak: {{url: '{url}'}}}}\n")
                code, out, err = vuln("test", "weak", "--test-instance", *args, cwd=home)
                judge(f"{name} http by its name", code, out, err, is_weak, fast)
            finally:
                running.kill()
                running.wait()
    args = ["--class", "prototype-pollution", "--yes", "--test-instance"]
    code, out, err = vuln("test", "http://127.0.0.1:9/mcp", *args, cwd=home)
    check("what cannot be seen behind an address is said", code == 2 and "cannot be seen" in err, f"{code} {err}")


def suite_of_python(home):
    """The test that is written for pytest fails with the weak server and passes with the strong one."""
    python = str(DEPS / "venv/bin/python")
    written = Path(home, "suite/test_path_traversal_regression.py")
    args = ["--class", "path-traversal", "--yes", "--regression", "pytest", "--out", "suite"]
    code, out, err = vuln("test", *args, "--", python, str(HERE / "weak.py"), cwd=home)
    check("a test for pytest is written", code == 1 and written.exists(), f"{code} {out} {err}")
    suite = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "suite"]
    code, out, err = run(*suite, cwd=home)
    check("the test for pytest fails with the weak server", code == 1 and "1 failed" in out, out + err)
    weak_py = json.dumps(str(HERE / "weak.py"))
    text = written.read_text().replace(f"args=[{weak_py}]", f'args=[{weak_py}, "--strong"]')
    check("it names the command of the server", "--strong" in text, text)
    written.write_text(text)
    code, out, err = run(*suite, cwd=home)
    check("and passes with the strong one", code == 0 and "1 passed" in out, out + err)


def main():
    with tempfile.TemporaryDirectory() as home:
        weak(home)
        suite_of_python(home)
    with tempfile.TemporaryDirectory() as home:
        place = ["--db", str(Path(home) / "advisories")]
        code, out, err = vuln("db", "import", HERE / "osv", *place, cwd=home)
        check("the advisory is taken", code == 0, out + err)
        # The copies stay beside the packages, for the test runner looks for them above.
        copies = {name: DEPS / f"{name}-copy" for name in ("old", "new")}
        for name, copy in copies.items():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(DEPS / name, copy, symlinks=True)
        try:
            old(copies["old"], place)
            new(copies["new"], place)
            patch(copies["old"], place)
        finally:
            for copy in copies.values():
                shutil.rmtree(copy, ignore_errors=True)
    failed = checks.count(False)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed or not checks else 0


if __name__ == "__main__":
    sys.exit(main())
