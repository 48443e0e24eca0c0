"""From an advisory to the proof that the fix is what runs.

Old releases of real servers run behind the real binary, each as staging and as production, and are called all the time
through the official client. Each goes the whole way: scan, case with deadline and metric, exposure, a patched copy, test, the
copy on staging, then the new version on production, a scan of what runs, `deployed`, the report. No call may fail.

PILOTHOUSE_BIN names the binary (default target/debug/pilothouse)."""

import asyncio
import json
import shlex
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path

from calls import Calls
from gateway import DEPS, HERE, Gateway, until

VULN = HERE.parent / "vuln"
checks = []


def check(name, is_right, why=""):
    checks.append(bool(is_right))
    print(f"{'ok  ' if is_right else 'FAIL'} {name}{'' if is_right else f': {why}'}", flush=True)
    return bool(is_right)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Chain:
    """One server, as staging and as production."""

    def __init__(self, gateway, port, name, advisory, package):
        self.gateway, self.port, self.name = gateway, port, name
        self.advisory, self.package = advisory, package
        self.staging, self.production = f"{name}-staging", f"{name}-production"

    async def vuln(self, *args):
        return await self.gateway.cli("vuln", *args)

    async def case(self, server):
        code, out, err = await self.vuln("report", "--server", server, "--format", "json", "--data-dir", self.gateway.data)
        cases = json.loads(out)["vulnerabilities"] if out else []
        found = [one for one in cases if self.advisory in one["ids"]]
        return found[0] if found else {"state": f"none: {code} {out[:600]} {err}", "id": 0}

    async def move(self, server, what, *more):
        case = await self.case(server)
        args = ["move", case["id"], what, "--data-dir", self.gateway.data, *more]
        return await self.vuln(*args)

    def check(self, what, is_right, why=""):
        return check(f"{self.name}: {what}", is_right, why)

    async def is_found(self):
        for server in (self.staging, self.production):
            code, out, err = await self.vuln("scan", server, "--format", "json", "--data-dir", self.gateway.data)
            found = [one for one in json.loads(out)["findings"] if self.advisory in (one["id"], *one["aliases"])] if out else []
            self.check(f"{server}: a scan of what runs finds it", code == 1 and found, f"{code} {out[:400]} {err}")
            case = await self.case(server)
            left = case.get("due", 0) - time.time()
            self.check(f"{server}: a case with a deadline", case["state"] == "detected" and left > 0, case)
            value = await self.gateway.metric(self.port, "mcp_vulnerabilities", server=server, state="detected")
            self.check(f"{server}: in the metrics", value and value >= 1, value)

    async def is_reported(self):
        code, out, err = await self.vuln("report", "--since", "1d", "--data-dir", self.gateway.data)
        times = [line for line in out.splitlines() if line.startswith("- detected to deployed: ")]
        self.check("the report has the time of each", code == 0 and len(times) >= 2, f"{code} {out[:600]} {err}")
        name = "mcp_vulnerability_remediation_seconds_count"
        value = await self.gateway.metric(self.port, name, severity="high")
        self.check("and the metrics count them", value and value >= 2, value)

    async def patched(self):
        """A copy of what staging runs, with the upgrade, and the line that puts it there."""
        code, out, err = await self.vuln("patch", self.staging, "--apply", "--json", "--data-dir", self.gateway.data)
        if not self.check("a patched copy", code == 0 and out, f"{code} {out[:600]} {err}"):
            return None
        said = json.loads(out)
        upgrade = next(one for one in said["upgrades"] if one["package"] == self.package)
        tried = [one["why"] for one in upgrade["tried"]]
        is_next = upgrade["to"] == "2025.7.1" and len(tried) == 1 and "No matching version" in tried[0]
        self.check("the least version is on no registry, so the next was taken", is_next, upgrade)
        self.check("the copy has none of it", said["left"] == [], said["left"])
        code, out, err = await self.vuln("verify", f"npm/{self.package}@2025.7.1", said["copy"], "--data-dir", self.gateway.data)
        self.check("and is verified", code == 0 and out.startswith("moved: 2025.7.1"), f"{code} {out} {err}")
        code, out, err = await self.vuln("scan", said["original"], "--data-dir", self.gateway.data)
        self.check("the original is as it was", code == 1 and "0.5.1" in out, f"{code} {out[:600]} {err}")
        return shlex.split(said["replace"][0]["command"])[1:]

    async def replace(self, server, to, line=None):
        """- line: in the place of `to`, as `vuln patch --apply` has printed it."""
        line = line or ["replace", server, "--to", to, "--data-dir", self.gateway.data]
        code, out, err = await self.gateway.cli(*line)
        if not self.check(f"{server}: replaced", code == 0, out + err):
            return

        async def is_over():
            servers = (await self.gateway.api("servers"))["servers"]
            own = next(one for one in servers if one["name"] == server)
            return own["replaced"] and not own.get("replacement")

        await until(f"{server} is replaced", is_over)

    async def is_deployed(self, server):
        async def is_clean():
            code, out, err = await self.vuln("scan", server, "--data-dir", self.gateway.data)
            return code == 0 or [code, out[:600], err] * bool(time.monotonic() > end)

        # Processes of the old version may still end; they count.
        end = time.monotonic() + 20
        said = await until(f"a scan of {server}", is_clean)
        self.check(f"{server}: a scan of what runs is clean", said is True, said)
        if server == self.production:
            # Nobody has to ask: the next scan of the daemon says so.
            await self.gateway.api("vulnerabilities", "POST")
            case = await self.case(server)
            self.check(f"{server}: the daemon's own scan has deployed it", case["state"] == "deployed", case)

        async def is_accepted():
            code, out, err = await self.move(server, "deployed", "--json")
            return [code, out, err] if code == 0 or time.monotonic() > end else None

        # A session that began at the last moment may still have a process of the old version.
        code, out, err = await until(f"{server} is deployed", is_accepted)
        proof = json.loads(out)["proof"] if code == 0 else {}
        self.check(f"{server}: deployed", code == 0 and proof["versions"], f"{code} {out[:600]} {err}")


async def chain(one, to):
    await one.is_found()
    code, out, err = await one.move(one.staging, "deployed")
    one.check("deployed is refused before anything was done", code != 0 and "finds" in out + err, f"{code} {out[:600]} {err}")
    for server in (one.staging, one.production):
        for what in ("assess", "patch"):
            code, out, err = await one.move(server, what, "--reason", f"to {to}")
            one.check(f"{server}: {what}", code == 0, out + err)
    line = await one.patched()
    for server in (one.staging, one.production):
        code, out, err = await one.move(server, "test", "--reason", "the new version answers")
        one.check(f"{server}: test", code == 0, out + err)
        await one.replace(server, to, line if server == one.staging else None)
        await one.is_deployed(server)

    await one.is_reported()


async def transitive(gateway):
    """What only another package needs: in a copy, by the package manager's own words."""
    folder = gateway.folder / "transitive"
    shutil.copytree(DEPS / "transitive", folder, symlinks=True)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, out, err = await gateway.cli("vuln", "patch", folder, "--apply", "--json")
    if not check("transitive: a patched copy", code == 0 and out, f"{code} {out[:600]} {err}"):
        return
    said = json.loads(out)
    moved = [one for one in said["moves"] if one["package"] == "npm/brace-expansion"]
    check("transitive: it has moved", moved and moved[0]["from"] == ["2.0.1"] and moved[0]["to"] != ["2.0.1"], moved)
    code, out, err = await gateway.cli("vuln", "verify", "npm/brace-expansion@2.0.2", said["copy"])
    check("transitive: and is verified", code == 0 and "NOT moved" not in out, f"{code} {out} {err}")
    lock = json.loads((Path(said["copy"]) / "package-lock.json").read_text())
    locked = lock["packages"]["node_modules/brace-expansion"]["version"]
    check("transitive: locked and installed", [locked] == moved[0]["to"], locked)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    check("transitive: the original is as it was", before == after, sorted(before.keys() ^ after.keys()))
    # Nothing can be fetched: of the copy nothing is left, and it is said why.
    empty = {"npm_config_cache": str(gateway.folder / "empty")}
    to = gateway.folder / "failed"
    code, out, err = await gateway.cli("vuln", "patch", folder, "--apply", "--copy", to, env=empty)
    is_told = "no copy is left" in err and "brace-expansion stays at 2.0.1" in err and "npm error" in err
    check("transitive: one that fails leaves its last words", code == 2 and is_told and not to.exists(), f"{code} {out} {err}")


async def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        files = folder / "files"
        files.mkdir()
        (files / "note.txt").write_text("hello\n")
        gateway, port = Gateway(folder), free_port()
        for records in (VULN / "osv", HERE / "osv"):
            code, out, err = await gateway.cli("vuln", "db", "import", records, "--db", folder / "advisories")
            check("advisories are taken", code == 0, out + err)
        servers = {
            f"files-{place}": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem@0.5.1", str(files)]}
            for place in ("staging", "production")
        }
        config = {
            "listen": f"127.0.0.1:{port}",
            "admin": {"listen": "127.0.0.1:0", "auth": "keys"},
            "data_dir": str(gateway.data),
            "vuln": {"db": str(folder / "advisories")},
            "servers": servers,
        }
        (folder / "pilothouse.yaml").write_text(json.dumps(config))
        try:
            await gateway.start()
            await transitive(gateway)
            await run(gateway, port, files)
        finally:
            gateway.stop()
    failed = checks.count(False)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed or not checks else 0


async def run(gateway, port, files):
    calls = [
        Calls(f"http://127.0.0.1:{port}/{name}/mcp", "read_file", {"path": str(files / "note.txt")})
        for name in ("files-staging", "files-production")
    ]
    tasks = [asyncio.create_task(one.run()) for one in calls]
    await chain(
        Chain(gateway, port, "files", "CVE-2025-53110", "@modelcontextprotocol/server-filesystem"),
        "@modelcontextprotocol/server-filesystem@2025.7.1",
    )
    for one in calls:
        one.over.set()
    await asyncio.gather(*tasks)
    for one in calls:
        told = f"{one.answered} answered in {one.sessions} sessions, {one.reopened} opened again; versions {one.versions}"
        check(f"calls of {one.url}: {told}", one.answered and not one.failed, one.failed[:3])


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
