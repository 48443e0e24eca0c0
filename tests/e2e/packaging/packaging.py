"""Packs the binary, installs the package into a root of its own, and looks at everything that is in it.

The names of checks can be given as arguments. The last line is `N passed, N failed`.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import terminal

ROOT = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
BINARY = Path(os.environ.get("PILOTHOUSE_BIN") or TARGET / "debug/pilothouse").resolve()
UNIT = ROOT / "packaging/pilothouse.service"
# systemd's own judgement, times ten: below 2.0 of 10, and 9.6 is what a unit without a word has.
EXPOSURE_MAX = 20
PATIENCE_S = 30


def run(*command, code=0, env=None, **more):
    """What a command says on standard output; any other exit code fails."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, env={**os.environ, **(env or {})}, **more
    )
    assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Package:
    """The package, and a root that it is installed in."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.root = folder / "root"
        env = {"PILOTHOUSE_BIN": str(BINARY), "DEB_COMPRESSION": "none"}
        self.file = Path(run(ROOT / "packaging/deb", folder / "out", env=env).strip())
        for name in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"):
            (self.root / name).mkdir(parents=True)
        (self.root / "var/lib/dpkg/status").touch()
        self.dpkg("--install", self.file)

    def dpkg(self, *arguments):
        forced = ["--force-not-root", "--force-depends", "--force-script-chrootless", "--force-confold"]
        return run("dpkg", f"--root={self.root}", f"--log={self.folder}/dpkg.log", *forced, *arguments)

    @property
    def program(self):
        return self.root / "usr/bin/pilothouse"

    @property
    def doc(self):
        return self.root / "usr/share/doc/pilothouse"


def fields(package):
    about = run("dpkg-deb", "--info", package.file)
    version = run(BINARY, "--version").split()[1]
    for line in ("Package: pilothouse", f"Version: {version}", "Section: net", "Depends: libc6 (>= 2."):
        assert line in about, f"{line} is not in\n{about}"
    listed = run("dpkg-deb", "--contents", package.file).splitlines()
    modes = {line.split()[5]: (line.split()[0], line.split()[1]) for line in listed}
    for name, mode in {
        "./usr/bin/pilothouse": "-rwxr-xr-x",
        "./lib/systemd/system/pilothouse.service": "-rw-r--r--",
        "./usr/lib/sysusers.d/pilothouse.conf": "-rw-r--r--",
        "./etc/pilothouse/pilothouse.yaml": "-rw-r--r--",
        "./usr/share/bash-completion/completions/pilothouse": "-rw-r--r--",
        "./usr/share/zsh/vendor-completions/_pilothouse": "-rw-r--r--",
        "./usr/share/fish/vendor_completions.d/pilothouse.fish": "-rw-r--r--",
        "./usr/share/man/man1/pilothouse.1.gz": "-rw-r--r--",
        "./usr/share/man/man1/pilothouse-vuln-scan.1.gz": "-rw-r--r--",
        "./usr/share/doc/pilothouse/copyright": "-rw-r--r--",
        "./usr/share/doc/pilothouse/changelog.gz": "-rw-r--r--",
        "./usr/share/doc/pilothouse/pilothouse.cdx.json": "-rw-r--r--",
    }.items():
        assert modes[name] == (mode, "root/root"), (name, modes.get(name))
    # dpkg has checked nothing by itself: each file is what its sum says.
    run("md5sum", "--check", "--quiet", package.root / "var/lib/dpkg/info/pilothouse.md5sums", cwd=package.root)


def policy(package):
    """Debian's own checker finds nothing; what it may find stands with its reason in packaging/lintian-overrides."""
    # It is packed here without compression, which takes time and changes nothing else.
    packed = [f"uses-no-compression-for-{part}-tarball" for part in ("control", "data")]
    run("lintian", "--allow-root", "--fail-on", "error,warning", "--suppress-tags", ",".join(packed), package.file)


def installed(package):
    assert run(package.program, "--version") == run(BINARY, "--version")
    passwd = (package.root / "etc/passwd").read_text()
    assert re.search(r"^pilothouse:.*:/var/lib/pilothouse:/usr/sbin/nologin$", passwd, re.M), passwd
    assert "ok, 1 server (workbench)" in run(
        package.program, "check", "--since", "0s", package.root / "etc/pilothouse/pilothouse.yaml"
    )


def lives_on(package):
    """An upgrade leaves a configuration that was changed, and a purge leaves nothing."""
    other = Package(Path(tempfile.mkdtemp(dir=package.folder)))
    config = other.root / "etc/pilothouse/pilothouse.yaml"
    config.write_text(config.read_text() + "# mine\n")
    other.dpkg("--install", other.file)
    assert config.read_text().endswith("# mine\n")
    data = other.root / "var/lib/pilothouse"
    data.mkdir(parents=True)
    other.dpkg("--remove", "pilothouse")
    assert config.exists() and data.exists() and not other.program.exists()
    other.dpkg("--purge", "pilothouse")
    assert not config.exists() and not data.exists()


def unit(package):
    text = UNIT.read_text()
    judged = package.folder / "judged"
    judged.mkdir()
    file = judged / "pilothouse.service"
    # The program is not where it will be, and the manual is not installed here.
    text = text.replace("/usr/bin/pilothouse", str(package.program))
    file.write_text(re.sub(r"man:\S+ ", "", text))
    run("systemd-analyze", "verify", "--man=no", file)
    said = run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", file)
    print(said.strip().splitlines()[-1])
    # A judge that finds nothing wrong in a bare unit judges nothing.
    bare = judged / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")
    run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", bare, code=1)


def service(package):
    """Started as the unit starts it: it says when it is ready, lives on a reload, and says that it stops."""
    words = re.search(r"^ExecStart=(.*)$", UNIT.read_text(), re.M)[1].split()
    data = package.folder / "data"
    config = package.folder / "service.yaml"
    text = (package.root / "etc/pilothouse/pilothouse.yaml").read_text()
    text = text.replace("127.0.0.1:3000", "127.0.0.1:0")
    text = re.sub(r"/usr/(bin|share)/", rf"{package.root}/usr/\1/", text)
    config.write_text(text + "admin: {listen: 127.0.0.1:0}\n")
    words[0] = str(package.program)
    words[words.index("--config") + 1] = str(config)
    words[words.index("--data-dir") + 1] = str(data)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(package.folder / "notify"))
        manager.settimeout(PATIENCE_S)
        env = {"NOTIFY_SOCKET": str(package.folder / "notify"), "WATCHDOG_USEC": "200000"}
        daemon = subprocess.Popen(words, env={**os.environ, **env}, stderr=subprocess.PIPE, text=True)

        def hear(word):
            while True:
                said = manager.recv(4096).decode()
                if word in said:
                    return said

        try:
            assert "1 server at 127.0.0.1:" in hear("READY=1")
            hear("WATCHDOG=1")
            until_up(package, data)
            once = run(package.program, "top", "--once", "--data-dir", data)
            assert re.search(r"^workbench +up ", once, re.M), once
            daemon.send_signal(signal.SIGHUP)
            assert "MONOTONIC_USEC=" in hear("RELOADING=1")
            hear("READY=1")
            # It has its own ports, which is no fault.
            seen = checks(package, "--config", config, "--data-dir", data)
            assert seen["ports"][1].startswith("a Pilothouse of this data directory runs"), seen
            daemon.send_signal(signal.SIGTERM)
            hear("STOPPING=1")
            assert daemon.wait(PATIENCE_S) == 0, daemon.stderr.read()
        finally:
            daemon.kill()


def until_up(package, data):
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        said = subprocess.run(
            [package.program, "top", "--json", "--data-dir", data], capture_output=True, text=True
        ).stdout
        if said and all(server["up"] for server in json.loads(said)["servers"]):
            return
    raise AssertionError(f"not up: {said}")


def completions(package):
    share = package.root / "usr/share"
    bash = share / "bash-completion/completions/pilothouse"
    script = (
        f'source {bash}; COMP_WORDS=(pilothouse vuln sc); COMP_CWORD=2; '
        '"$(complete -p pilothouse | sed "s/.*-F \\([^ ]*\\).*/\\1/")" pilothouse sc vuln; echo "${COMPREPLY[@]}"'
    )
    assert run("bash", "-c", script).split() == ["scan"]
    script = script.replace("(pilothouse vuln sc)", "(pilothouse top --on)").replace("pilothouse sc vuln", "pilothouse --on top")
    assert run("bash", "-c", script).split() == ["--once"]
    zsh = share / "zsh/vendor-completions/_pilothouse"
    run("zsh", "-n", zsh)
    assert zsh.read_text().startswith("#compdef pilothouse\n")
    loaded = f"autoload -Uz compinit; fpath=({zsh.parent} $fpath); compinit -D -u; echo $_comps[pilothouse]"
    assert run("zsh", "-f", "-c", loaded).strip() == "_pilothouse"
    fish = share / "fish/vendor_completions.d/pilothouse.fish"
    run("fish", "--no-execute", fish)
    home = {"HOME": str(package.folder), "XDG_CONFIG_HOME": str(package.folder)}
    offered = run("fish", "--no-config", "-c", f"source {fish}; complete -C 'pilothouse vuln sc'", env=home)
    assert offered.split()[0] == "scan", offered
    run(package.program, "completions", "tcsh", code=2)


def manual(package):
    pages = sorted((package.root / "usr/share/man/man1").glob("*.gz"))
    assert len(pages) > 40, pages
    env = {"LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"}
    # As lintian looks for faults: man says nothing when there are none.
    for page in pages:
        done = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **env},
        )
        assert done.returncode == 0 and not done.stderr, (page, done.stderr)
    shown = run("man", "-l", package.root / "usr/share/man/man1/pilothouse-top.1.gz", env={**env, "PAGER": "cat"})
    shown = " ".join(re.sub(".\b", "", shown).split())
    assert "--once" in shown and "Print it once as a table" in shown, shown
    plain = package.folder / "man"
    run(package.program, "man", plain)
    assert [f"{page.name}.gz" for page in sorted(plain.iterdir())] == [page.name for page in pages]
    run("mandoc", "-T", "lint", "-W", "error", *sorted(plain.iterdir()))


def sbom(package):
    file = package.doc / "pilothouse.cdx.json"
    text = file.read_text()
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert not list(validator.validate_str(text, all_errors=True) or [])
    broken = json.loads(text)
    broken["components"][0]["type"] = "package"
    assert validator.validate_str(json.dumps(broken)), "a broken file passes"

    document = json.loads(text)
    assert document["metadata"]["component"]["version"] == run(BINARY, "--version").split()[1]
    by_name = {}
    for component in document["components"]:
        by_name.setdefault(component["name"], []).append(component)
    # Linked, built with, of the console, of tests, of other systems.
    (ratatui,) = by_name["ratatui"]
    features = {one["name"]: one["value"] for one in ratatui["properties"]}["cargo:features"].split(",")
    assert ratatui["scope"] == "required" and "crossterm" in features and "termion" not in features, ratatui
    assert by_name["serde_derive"][0]["scope"] == "excluded", by_name["serde_derive"]
    assert all(c.get("licenses") for c in document["components"] if c["purl"].startswith("pkg:cargo/"))
    for absent in ("proptest", "winapi", "ph-sim"):
        assert absent not in by_name, absent
    if (ROOT / "console/dist").is_dir():
        assert by_name["uplot"][0]["purl"].startswith("pkg:npm/"), by_name["uplot"]
        assert "vite" not in by_name
    refs = {component["bom-ref"] for component in document["components"]}
    for edge in document["dependencies"]:
        assert set(edge["dependsOn"]) <= refs, edge

    # Our own reader sees each of them.
    scan = run(BINARY, "vuln", "scan", file, "--format", "json", "--db", package.folder / "none", code=3)
    assert json.loads(scan)["counts"]["packages"] == len(document["components"]), scan[:400]


def checks(package, *arguments, code=0):
    """What `self check` saw, by what it looked at; with several commands the last."""
    said = json.loads(run(package.program, "self", "check", "--json", *arguments, code=code))
    assert said["ok"] == (code == 0), said
    return {one["check"]: (one["result"], one["seen"], one["hint"]) for one in said["checks"]}


def self_check(package):
    empty = package.folder / "empty"
    empty.mkdir(mode=0o700)
    config = package.root / "etc/pilothouse/pilothouse.yaml"
    good = package.folder / "good.yaml"
    text = config.read_text().replace("127.0.0.1:3000", "127.0.0.1:0").replace("/usr/bin/pilothouse", "python3")
    good.write_text(text + "admin: {listen: 127.0.0.1:0}\n")
    seen = checks(package, "--config", good, "--data-dir", empty)
    for what in ("store", "clock", "TLS roots", "configuration", "data directory", "ports", "command"):
        assert seen[what][0] == "ok", (what, seen[what])
    assert "100 records" in seen["store"][1] and "python3" in seen["command"][1], seen
    # The SBOM of the package is found beside it; there is nothing to compare it with.
    assert seen["advisories"][0] == "warn" and "no advisories here" in seen["advisories"][1], seen["advisories"]

    # A crate that is in it, and an advisory that was made up for it.
    document = json.loads((package.doc / "pilothouse.cdx.json").read_text())
    (ratatui,) = [c for c in document["components"] if c["name"] == "ratatui"]
    record = {
        "schema_version": "1.6.0", "id": "RUSTSEC-2099-0001", "modified": "2026-11-01T00:00:00Z",
        "summary": "made up", "affected": [{
            "package": {"ecosystem": "crates.io", "name": "ratatui"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}], "versions": [ratatui["version"]],
        }],
    }
    advisory = package.folder / "RUSTSEC-2099-0001.json"
    advisory.write_text(json.dumps(record))
    run(package.program, "vuln", "db", "import", advisory, "--data-dir", empty)
    seen = checks(package, "--config", good, "--data-dir", empty)
    assert seen["advisories"][0] == "warn" and seen["advisories"][1].startswith("1 about the "), seen["advisories"]

    # Each thing that is wrong is named, with what to do.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        bad = package.folder / "bad.yaml"
        bad.write_text(f"listen: {address}\nadmin: {{enabled: false}}\nservers: {{one: {{command: npx}}}}\n")
        env_path = {"PATH": "/nowhere"}
        said = run(package.program, "self", "check", "--config", bad, "--data-dir", empty, code=1, env=env_path)
        assert re.search(r"^fail +ports +" + address + ": .*in use", said, re.M), said
        assert re.search(r"^fail +command +`npx` of one is not found", said, re.M), said
        assert "hint: install Node.js" in said, said
    bad.write_text("servers: {one: {comand: npx}}\n")
    seen = checks(package, "--config", bad, "--data-dir", empty, code=1)
    assert seen["configuration"][0] == "fail" and "servers.one" in seen["configuration"][1], seen
    open_files = f"ulimit -n 300; exec {package.program} self check --config {good} --data-dir {empty}"
    assert re.search(r"^warn +open files +300 at once", run("bash", "-c", open_files), re.M)


CHECKS = [fields, policy, installed, unit, completions, manual, sbom, self_check, service, lives_on]


def main() -> int:
    wanted = sys.argv[1:]
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="ph-packaging-") as folder:
        package = Package(Path(folder))
        for check in CHECKS + terminal.CHECKS:
            if wanted and check.__name__ not in wanted:
                continue
            begin = time.monotonic()
            try:
                check(package)
                passed += 1
                result = "ok  "
            except Exception:  # noqa: BLE001 — each check is told, whatever it trips over
                traceback.print_exc()
                failed += 1
                result = "FAIL"
            print(f"{result} {check.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
