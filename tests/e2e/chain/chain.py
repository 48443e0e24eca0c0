"""From an advisory to the proof that the fix is what runs.

Old releases of real servers run behind the real binary, each as staging and as production, and are called all the time
through the official client. Each goes the whole way: scan, case with deadline and metric, exposure, hostile input, a patched
copy that withstands it, the copy on staging, then production, a scan of what runs, `deployed`, the report. No call may fail.

PILOTHOUSE_BIN names the binary (default target/debug/pilothouse)."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import trials
from calls import Calls
from checks import check, checks
from gateway import DEPS, HERE, Gateway, until
from remote import Remote
from stages import Chain, Server

VULN = HERE.parent / "vuln"
FILESYSTEM = "@modelcontextprotocol/server-filesystem"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def files_of(folder: Path):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def files(folder: Path):
    """What npx has in its cache. The advisory names a version that no registry has."""
    allowed = folder / "files"
    allowed.mkdir()
    (allowed / "note.txt").write_text("hello\n")
    return Server(
        name="files",
        advisory="CVE-2025-53110",
        severity="high",
        package=f"npm/{FILESYSTEM}",
        old="0.5.1",
        new="2025.7.1",
        tried=["No matching version"],
        argv=["npx", "-y", f"{FILESYSTEM}@0.5.1", str(allowed)],
        tool="read_file",
        arguments={"path": str(allowed / "note.txt")},
        level="present",
        trial=trials.outside(allowed),
        # Production is given what a registry has, by its name: no copy is needed for that.
        by_name=f"{FILESYSTEM}@2025.7.1",
    )


def remote(folder: Path, url: str):
    """A folder with a lockfile, from which both run. What it is a proxy of is reached by HTTP."""
    shutil.copytree(DEPS / "remote", folder / "remote", symlinks=True)
    return Server(
        name="remote",
        advisory="CVE-2025-6514",
        severity="critical",
        package="npm/mcp-remote",
        old="0.1.0",
        new="0.1.16",
        argv=[str(folder / "remote/node_modules/.bin/mcp-remote"), url],
        env={"MCP_REMOTE_CONFIG_DIR": str(folder / "auth")},
        tool="shout",
        arguments={"text": "hello"},
        level="present",
        trial=trials.hostile_authorization(folder, url),
        patched=folder / "remote",
    )


def git(folder: Path):
    """A virtual environment without a lockfile."""
    for name in ("repo", "other"):
        subprocess.run(["git", "init", "-q", folder / name], check=True)
    return Server(
        name="git",
        advisory="CVE-2025-68145",
        severity="medium",
        package="PyPI/mcp-server-git",
        old="2025.7.1",
        new="2025.12.18",
        argv=[str(DEPS / "git/bin/mcp-server-git"), "--repository", str(folder / "repo")],
        tool="git_status",
        arguments={"repo_path": str(folder / "repo")},
        level="symbol_used",
        places=["__main__.py:3", "__main__.py:5"],
        trial=trials.another_repository(folder / "other"),
    )


async def transitive(gateway):
    """What only another package needs: in a copy, by the package manager's own words."""
    folder = gateway.folder / "transitive"
    shutil.copytree(DEPS / "transitive", folder, symlinks=True)
    before = files_of(folder)
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
    # Nothing can be fetched: of the copy nothing is left, and it is said why.
    empty = {"npm_config_cache": str(gateway.folder / "empty")}
    to = gateway.folder / "failed"
    code, out, err = await gateway.cli("vuln", "patch", folder, "--apply", "--copy", to, env=empty)
    is_told = "no copy is left" in err and "brace-expansion stays at 2.0.1" in err and "npm error" in err
    check("transitive: one that fails leaves its last words", code == 2 and is_told and not to.exists(), f"{code} {out} {err}")
    after = files_of(folder)
    check("transitive: the original is as it was", before == after, sorted(before.keys() ^ after.keys()))


async def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder).resolve()
        gateway, port = Gateway(folder), free_port()
        for records in (VULN / "osv", HERE / "osv"):
            code, out, err = await gateway.cli("vuln", "db", "import", records, "--db", folder / "advisories")
            check("advisories are taken", code == 0, out + err)
        async with Remote() as shouting:
            servers = [files(folder), remote(folder, shouting.url), git(folder)]
            config = {
                "listen": f"127.0.0.1:{port}",
                "admin": {"listen": "127.0.0.1:0", "auth": "keys"},
                "data_dir": str(gateway.data),
                "vuln": {"db": str(folder / "advisories")},
                "servers": {name: one.config() for one in servers for name in (one.staging, one.production)},
            }
            (folder / "pilothouse.yaml").write_text(json.dumps(config))
            try:
                await gateway.start()
                await run([Chain(gateway, port, one) for one in servers], gateway)
            finally:
                gateway.stop()
    failed = checks.count(False)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed or not checks else 0


async def run(chains, gateway):
    calls = [
        Calls(chain.url(name), chain.of.tool, chain.of.arguments)
        for chain in chains
        for name in (chain.of.staging, chain.of.production)
    ]
    calling = [asyncio.create_task(one.run()) for one in calls]
    try:
        await asyncio.gather(transitive(gateway), *(chain.run() for chain in chains))
        # Nobody has to ask whether production runs the fix: the next scan of the daemon says so.
        async def is_all_deployed():
            await gateway.api("vulnerabilities", "POST")
            return all([(await chain.case(chain.of.production))["state"] == "deployed" for chain in chains])

        # Processes of the old version may still end.
        try:
            await until("a scan of the daemon", is_all_deployed)
        except AssertionError:
            pass
        for chain in chains:
            await chain.is_settled()
    finally:
        for one in calls:
            one.over.set()
        await asyncio.gather(*calling)
    for one in calls:
        told = f"{one.answered} answered in {one.sessions} sessions, {one.reopened} opened again; versions {one.versions}"
        check(f"calls of {one.url}: {told}", one.answered and not one.failed, one.failed[:3])


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
