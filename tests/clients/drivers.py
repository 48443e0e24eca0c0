"""The client programs: one long-lived driver per language, and the Inspector, a process per request."""

import json
import os
import selectors
import subprocess
import time
from pathlib import Path

import cases

CASE_S = 90
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", cases.HERE.parents[1] / "target"))
RMCP = os.environ.get("DRIVE_RMCP", str(TARGET / "debug/examples/drive_rmcp"))


def build_rust_driver():
    """Builds the driver of the Rust client, an example of ph-workbench, unless DRIVE_RMCP names one."""
    if "DRIVE_RMCP" not in os.environ:
        command = ["cargo", "build", "-q", "--locked", "-p", "ph-workbench", "--example", "drive_rmcp"]
        if subprocess.run(command, cwd=cases.HERE).returncode:
            raise SystemExit("the driver of the Rust client does not build: " + " ".join(command))


class Driver:
    """drive.mjs or drive.py: one process for the whole run, started anew when a case kills it."""

    COMMANDS = {
        "mjs": [cases.NODE, str(cases.HERE / "drive.mjs")],
        "py": [cases.venv("clients", "python"), str(cases.HERE / "drive.py")],
        "rmcp": [RMCP],
    }

    def __init__(self, kind, scratch, number):
        self.kind, self.log, self.process = kind, scratch / f"driver-{kind}-{number}.log", None

    def run(self, plan):
        """The driver's answers to one case, the last of them the summary."""
        if self.process is None or self.process.poll() is not None:
            env = os.environ | {"CLIENTS_DEPS": str(cases.DEPS), "PYTHONWARNINGS": "ignore"}
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    self.COMMANDS[self.kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=env
                )
        self.process.stdin.write(json.dumps(plan).encode() + b"\n")
        self.process.stdin.flush()
        facts, end, buffer = [], time.monotonic() + CASE_S, b""
        with selectors.DefaultSelector() as ready:
            ready.register(self.process.stdout, selectors.EVENT_READ)
            while not (facts and facts[-1].get("done")):
                if not ready.select(max(0, end - time.monotonic())):
                    self.stop()
                    raise AssertionError(f"no end within {CASE_S} s; so far: {facts}")
                chunk = os.read(self.process.stdout.fileno(), 1 << 20)
                if not chunk:
                    raise AssertionError(f"the driver died; so far: {facts}; its log:\n{self.tail()}")
                *lines, buffer = (buffer + chunk).split(b"\n")
                facts += [json.loads(line) for line in lines]
        return facts

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


def inspector(target, era, arguments, scratch):
    where = target["command"] if "command" in target else [target["url"], "--transport", "http"]
    command = [cases.NODE, str(cases.NPM / "inspector/clients/launcher/build/index.js"), "--cli", *where]
    command += ["--protocol-era", era, "-q", "--format", "json", "--method", *arguments]
    env = os.environ | {"HOME": str(scratch)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=CASE_S, env=env, stdin=subprocess.DEVNULL)
    try:
        result = json.loads(done.stdout)["result"]
    except (ValueError, KeyError):
        return {"ok": False, "error": (done.stderr + done.stdout)[-2000:]}
    texts = result.get("content") or [message["content"] for message in result.get("messages", [])]
    return {
        "ok": True,
        "text": "".join(item.get("text", "") for item in texts or result.get("contents", [])),
        "is_error": result.get("isError") is True,
        "structured": result.get("structuredContent"),
        "names": [item["name"] for item in result.get("tools") or result.get("prompts") or []],
        "uris": [item["uri"] for item in result.get("resources", [])],
    }
