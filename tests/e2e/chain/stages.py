"""The stages that one server goes through, as staging and as production."""

import json
import shlex
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from checks import check
from gateway import Gateway, until


@dataclass
class Server:
    name: str
    advisory: str
    severity: str
    # With its ecosystem, as `vuln verify` takes it.
    package: str
    old: str
    new: str
    argv: list
    tool: str
    arguments: dict
    # Of its exposure, and where that is seen.
    level: str
    trial: Callable
    places: list = field(default_factory=list)
    env: dict = field(default_factory=dict)
    # What is said of each version before the one that it came to.
    tried: list = field(default_factory=list)
    # What `vuln patch` is asked for, if it is not the server on staging.
    patched: Path | None = None
    # What production goes to by its name in a registry, if it is not the copy.
    by_name: str | None = None

    @property
    def staging(self):
        return f"{self.name}-staging"

    @property
    def production(self):
        return f"{self.name}-production"

    def config(self):
        return {"command": self.argv[0], "args": self.argv[1:], "env": self.env}


class Chain:
    def __init__(self, gateway: Gateway, port, of: Server):
        self.gateway, self.port, self.of = gateway, port, of
        # The numbers of the cases.
        self.cases = {}

    def url(self, server):
        return f"http://127.0.0.1:{self.port}/{server}/mcp"

    def check(self, what, is_right, why=""):
        return check(f"{self.of.name}: {what}", is_right, why)

    async def vuln(self, *args):
        return await self.gateway.cli("vuln", *args, "--data-dir", self.gateway.data)

    async def case(self, server):
        code, out, err = await self.vuln("report", "--server", server, "--format", "json")
        cases = json.loads(out)["vulnerabilities"] if out else []
        found = [one for one in cases if self.of.advisory in one["ids"]]
        return found[0] if found else {"state": f"none: {code} {out[:600]} {err}", "id": 0}

    async def move(self, server, what, *more):
        return await self.vuln("move", self.cases.get(server, 0), what, *more)

    async def run(self):
        of = self.of
        for server in (of.staging, of.production):
            await self.is_found(server)
        await self.is_exposed()
        code, out, err = await self.move(of.staging, "deployed")
        self.check("deployed is refused before anything was done", code != 0 and "finds" in out + err, f"{code} {out[:600]} {err}")
        await self.is_harmed(of.argv, True)
        for server in (of.staging, of.production):
            for what in ("assess", "patch"):
                code, out, err = await self.move(server, what, "--reason", f"to {of.new}")
                self.check(f"{server}: {what}", code == 0, out + err)
        copy = await self.patched()
        if copy is None:
            return
        await self.is_replaced(of.staging, copy)
        await self.is_clean(of.staging)
        await self.is_harmed(copy, False)
        await self.is_deployed()
        await self.is_replaced(of.production, of.by_name or copy)
        await self.is_clean(of.production)

    async def is_found(self, server):
        code, out, err = await self.vuln("scan", server, "--format", "json")
        found = [one for one in json.loads(out)["findings"] if self.of.advisory in (one["id"], *one["aliases"])] if out else []
        self.check(f"{server}: a scan of what runs finds it", code == 1 and found, f"{code} {out[:400]} {err}")
        case = None

        async def has_case():
            nonlocal case
            case = await self.case(server)
            return case["id"]

        # The daemon scans one server after the other when it starts.
        await until(f"a case of {server}", has_case)
        self.cases[server] = case["id"]
        left = case["due"] - time.time()
        self.check(f"{server}: a case with a deadline", case["state"] == "detected" and left > 0, case)

        async def is_counted():
            return await self.gateway.metric(self.port, "mcp_vulnerabilities", server=server, state="detected")

        self.check(f"{server}: in the metrics", await until(f"{server} in the metrics", is_counted))

    async def is_exposed(self):
        code, out, err = await self.vuln("exposure", self.of.staging, "--json")
        own = [one for one in json.loads(out)["findings"] if one["id"] == self.of.advisory] if out else []
        said = [(one["level"], ["{file}:{line}".format(**use) for use in one["uses"]]) for one in own]
        is_right = code == 1 and len(own) == 1 and said[0][0] == self.of.level and set(self.of.places) <= set(said[0][1])
        self.check(" ".join(["exposure:", self.of.level, *self.of.places]), is_right, f"{code} {said} {err}")

    async def is_harmed(self, argv, is_expected):
        """- is_expected: whether hostile input does what the advisory says."""
        is_shown, seen = await self.of.trial(self.gateway, self.url(self.of.staging), argv)
        what = "is demonstrated on the old version" if is_expected else "is not demonstrated on the new one"
        self.check(f"what the advisory says {what}", is_shown is is_expected, seen)

    async def patched(self):
        """The command of a copy of what runs, with the upgrade."""
        of = self.of
        code, out, err = await self.vuln("patch", of.patched or of.staging, "--apply", "--json")
        if not self.check("a patched copy", code == 0 and out, f"{code} {out[:600]} {err}"):
            return None
        said = json.loads(out)
        upgrade = [one for one in said["upgrades"] if one["package"] == of.package.split("/", 1)[1]]
        tried = [one["why"] for one in upgrade[0]["tried"]] if upgrade else []
        is_as_told = len(tried) == len(of.tried) and all(part in why for part, why in zip(of.tried, tried))
        is_moved = len(upgrade) == 1 and (upgrade[0]["from"], upgrade[0]["to"]) == (of.old, of.new)
        self.check(f"{of.old} to {of.new}, {len(of.tried)} others tried before", is_moved and is_as_told, upgrade)
        self.check("the copy has none of it", said["left"] == [], said["left"])
        code, out, err = await self.vuln("verify", f"{of.package}@{of.new}", said["copy"])
        self.check("and is verified", code == 0 and out.startswith(f"moved: {of.new}"), f"{code} {out} {err}")
        code, out, err = await self.vuln("scan", said["original"])
        self.check("the original is as it was", code == 1 and of.old in out, f"{code} {out[:600]} {err}")
        lines = {one["server"]: shlex.split(one["command"]) for one in said["replace"]}
        wanted = {of.staging, of.production} if of.patched else {of.staging}
        is_line = lines.keys() == wanted and all(line[:3] == ["pilothouse", "replace", name] for name, line in lines.items())
        if not self.check("the lines that put it there", is_line, said["replace"]):
            return None
        to = {line[line.index("--to") + 1] for line in lines.values()}
        self.check("name the same copy", len(to) == 1 and said["copy"] in str(to), to)
        to = to.pop()
        return json.loads(to) if to.startswith("[") else to.split(" ")

    async def is_replaced(self, server, to):
        code, out, err = await self.move(server, "test", "--reason", "the new version answers")
        self.check(f"{server}: test", code == 0, out + err)
        to = to if isinstance(to, str) else json.dumps(to)
        code, out, err = await self.gateway.cli("replace", server, "--to", to, "--data-dir", self.gateway.data)
        if not self.check(f"{server}: replaced", code == 0, out + err):
            return

        async def is_over():
            servers = (await self.gateway.api("servers"))["servers"]
            own = next(one for one in servers if one["name"] == server)
            return own["replaced"] and not own.get("replacement")

        await until(f"{server} is replaced", is_over)

    async def is_clean(self, server):
        said = None

        async def is_it():
            nonlocal said
            said = await self.vuln("scan", server)
            return said[0] == 0

        # Processes of the old version may still end; they count.
        try:
            await until(f"a scan of {server}", is_it)
        except AssertionError:
            pass
        self.check(f"{server}: a scan of what runs is clean", said[0] == 0, said)

    async def is_deployed(self):
        said = None

        async def is_accepted():
            nonlocal said
            said = await self.move(self.of.staging, "deployed", "--json")
            return said[0] == 0

        # A session that began at the last moment may still have a process of the old version.
        try:
            await until(f"{self.of.staging} is deployed", is_accepted)
        except AssertionError:
            pass
        proof = json.loads(said[1])["proof"] if said[0] == 0 else {}
        self.check(f"{self.of.staging}: deployed", proof.get("versions") == [self.of.new], said)

    async def is_settled(self):
        """After a scan of the daemon."""
        of = self.of
        for server in (of.staging, of.production):
            case = await self.case(server)
            self.check(f"{server}: is deployed", case["state"] == "deployed", case)
            code, out, err = await self.vuln("report", "--server", server, "--since", "1d")
            times = [line for line in out.splitlines() if line.startswith("- detected to deployed: ")]
            self.check(f"{server}: the report has the time", code == 0 and times, f"{code} {out[:600]} {err}")
        name = "mcp_vulnerability_remediation_seconds_count"
        value = await self.gateway.metric(self.port, name, severity=of.severity)
        self.check("the metrics count both", value and value >= 2, value)
