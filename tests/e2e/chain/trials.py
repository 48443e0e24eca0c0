"""What hostile input does to a server: each says whether it did what the advisory says, and how that was seen.

A trial takes the gateway, the server's address behind it and its command, and gives (whether it was demonstrated, what was seen)."""

import asyncio
import json
import subprocess

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolRequest, CallToolRequestParams, CallToolResult

from gateway import ENVIRONMENT, until
from remote import HOSTILE, Hostile


def outside(allowed):
    """`vuln test`: a folder whose name begins like the allowed one."""

    async def trial(gateway, url, argv):
        # With the zod that npm installs for it today, server-filesystem does not say which arguments its tools take.
        args = ["--class", "path-traversal", "--tool", "read_file", "--argument", "path", "--allowed", allowed]
        code, out, err = await gateway.cli("vuln", "test", *args, "--timeout", 60, "--json", "--yes", "--", *argv)
        if not out:
            return None, f"{code} {err}"
        said = json.loads(out)["classes"][0]
        shown = {one["at"] for one in said["demonstrated"]}
        if not said["calls"] or said["late"] or code != (1 if shown else 0):
            return None, f"{code} {out}"
        return shown == {"/path"}, said

    return trial


def another_repository(other):
    """A repository that is not the one that the server was limited to, asked for through Pilothouse."""
    params = CallToolRequestParams(name="git_status", arguments={"repo_path": str(other)})

    async def trial(gateway, url, argv):
        async with streamable_http_client(url) as streams, ClientSession(streams[0], streams[1]) as session:
            await session.initialize()
            answer = await session.send_request(CallToolRequest(params=params), CallToolResult)
        text = " ".join(getattr(one, "text", "") for one in answer.content)
        is_read, is_refused = "On branch" in text, answer.is_error or "outside" in text
        return (None if is_read == is_refused else is_read), text

    return trial


def hostile_authorization(folder, url):
    """A remote server that wants a login somewhere that is no address of the web: is that opened, as if it were?"""
    seen, browser = folder / "opened.txt", folder / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >>"{seen}"\n')
    browser.chmod(0o755)
    environment = {**ENVIRONMENT, "BROWSER": str(browser), "MCP_REMOTE_CONFIG_DIR": str(folder / "hostile")}
    environment.pop("DISPLAY", None)
    environment.pop("WAYLAND_DISPLAY", None)

    async def trial(gateway, _, argv):
        seen.unlink(missing_ok=True)
        async with Hostile() as hostile:
            child = await asyncio.create_subprocess_exec(
                *[hostile.url if word == url else word for word in argv],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            try:
                said = await asyncio.wait_for(verdict(child), 120)

                async def is_there():
                    return seen.exists() and seen.read_text().endswith("\n")

                if "opened automatically" in said:
                    await until("what is opened", is_there)
            finally:
                if child.returncode is None:
                    child.kill()
                await child.wait()
        opened = seen.read_text() if seen.exists() else ""
        return opened.startswith(HOSTILE), f"{said} {opened}"

    return trial


async def verdict(child):
    """What it says of the browser, which it does in either case."""
    said = []
    while line := await child.stderr.readline():
        said.append(line.decode())
        if "automatically" in said[-1] and "rowser" in said[-1]:
            return said[-1].strip()
    raise AssertionError("mcp-remote ended before it had opened anything:\n" + "".join(said))
