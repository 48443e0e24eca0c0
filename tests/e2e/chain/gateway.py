"""The real binary in front of the servers, its command line, and what can be seen of it from outside."""

import asyncio
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = os.environ.get("PILOTHOUSE_BIN", str(TARGET / "debug/pilothouse"))
DEPS = (ROOT / ".deps/chain").resolve()
START_S = 120

# What is installed comes from the caches that `install` has filled. Nothing is fetched.
ENVIRONMENT = {
    **os.environ,
    "npm_config_cache": str(DEPS / "npm"),
    "npm_config_offline": "true",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    "npm_config_logs_max": "0",
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": str(DEPS / "wheels"),
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
for name in ("LOG_LEVEL", "OTEL_EXPORTER_OTLP_ENDPOINT", "PILOTHOUSE_ADMIN_KEY"):
    ENVIRONMENT.pop(name, None)


async def until(what, holds, seconds=START_S):
    """Looks until `holds` gives something true; the last thing it gave is in the error."""
    end = time.monotonic() + seconds
    while not (value := await holds()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s (last: {value!r})")
        await asyncio.sleep(0.1)
    return value


class Gateway:
    def __init__(self, folder: Path):
        self.folder = folder
        self.data = folder / "data"
        self.key = None
        self.log = folder / "pilothouse.log"
        self.process = None

    async def cli(self, *args, cwd=None, env=None):
        """(exit code, standard output, standard error) of a command."""
        env = {**ENVIRONMENT, **({"PILOTHOUSE_ADMIN_KEY": self.key} if self.key else {}), **(env or {})}
        child = await asyncio.create_subprocess_exec(
            BINARY,
            *map(str, args),
            cwd=cwd or self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(300):
            out, err = await child.communicate()
        return child.returncode, out.decode(), err.decode()

    async def start(self):
        _, key, _ = await self.cli("keys", "create", "chain", "--role", "admin", "--data-dir", self.data)
        self.key = key.strip()
        with self.log.open("wb") as log:
            command = [BINARY, "run", "--config", self.folder / "pilothouse.yaml"]
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

        async def is_ready():
            if self.process.poll() is not None:
                raise AssertionError(f"pilothouse ended:\n{self.tail()}")
            return (self.data / "admin.addr").exists() and all(
                one.get("up") for one in (await self.api("servers"))["servers"]
            )

        await until("all servers are up", is_ready)

    async def api(self, path, method="GET"):
        address = (self.data / "admin.addr").read_text().split()[0]
        url = f"{address if '://' in address else f'http://{address}'}/api/pilothouse/{path}"
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        body = b"{}" if method == "POST" else None
        request = urllib.request.Request(url, headers=headers, method=method, data=body)

        def ask():
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")

        return await asyncio.to_thread(ask)

    async def metric(self, port, name, **labels):
        """The sum of the samples that have these labels; none: there is none."""

        def ask():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
                return answer.read().decode()

        text = await asyncio.to_thread(ask)
        found = []
        for line in text.splitlines():
            match = re.match(rf"{name}\{{(.*)\}} (\S+)$", line)
            if match:
                own = dict(re.findall(r'(\w+)="([^"]*)"', match[1]))
                if labels.items() <= own.items():
                    found.append(float(match[2]))
        return sum(found) if found else None

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
