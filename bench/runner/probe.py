"""A patient client of a few bytes: is it up, and since when does it answer?"""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request

RETRY_SECONDS = 0.0005


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url: str, seconds: float = 5.0) -> tuple[int, str]:
    """Status and body; status 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError:
        return 0, ""


def until(question, what: str, process: subprocess.Popen | None = None, seconds: float = 20.0, pause: float = 0.005):
    """Asks until the answer is truthy, and returns it."""
    end = time.monotonic() + seconds
    while True:
        if answer := question():
            return answer
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{what}: the process ended with code {process.returncode}")
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds:g} s")
        time.sleep(pause)


def tool_call_works(port: int, path: str = "/mcp") -> bool:
    """A whole legacy conversation on one connection: initialize, then a call of `echo`."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            initialize = {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "bench", "version": "1"},
            }
            status, session, _ = _post(connection, path, "", _message(1, "initialize", initialize))
            if status != 200:
                return False
            headers = "MCP-Protocol-Version: 2025-06-18\r\n" + (f"Mcp-Session-Id: {session}\r\n" if session else "")
            if _post(connection, path, headers, _message(None, "notifications/initialized"))[0] != 202:
                return False
            call = {"name": "echo", "arguments": {"text": "first"}}
            status, _, body = _post(connection, path, headers, _message(2, "tools/call", call))
            return status == 200 and '"text":"first"' in body
    except (OSError, ValueError):
        return False


def _message(number: int | None, method: str, params: dict | None = None) -> bytes:
    message = {"jsonrpc": "2.0", "method": method}
    if number is not None:
        message["id"] = number
    if params is not None:
        message["params"] = params
    return json.dumps(message).encode()


def _post(connection: socket.socket, path: str, headers: str, body: bytes) -> tuple[int, str, str]:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{connection.getpeername()[1]}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    received = b""
    while b"\r\n\r\n" not in received:
        received += _receive(connection)
    head_text, received = received.split(b"\r\n\r\n", 1)
    lines = head_text.decode().split("\r\n")
    fields = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
    if "chunked" in fields.get("transfer-encoding", ""):
        while not received.endswith(b"0\r\n\r\n"):
            received += _receive(connection)
    else:
        while len(received) < int(fields.get("content-length", 0)):
            received += _receive(connection)
    return int(lines[0].split()[1]), fields.get("mcp-session-id", ""), received.decode()


def _receive(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise OSError("the connection ended")
    return received
