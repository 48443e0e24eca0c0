"""Calls that go on all the time, through the official Python client.

A session that ends because its server's version was replaced is answered with 404, upon which a client has to open
another one: so the protocol says. That is done here and counted; every other answer that is none is a failure."""

import asyncio
import logging
import traceback

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolRequest, CallToolRequestParams, CallToolResult

logging.getLogger("mcp").setLevel(logging.CRITICAL)
# In one session.
CALLS = 100
PAUSE_S = 0.25
# What the client makes of a 404.
ENDED = ("Session terminated", "Session not found")


class Calls:
    def __init__(self, url, tool, arguments):
        self.url = url
        # Not `call_tool`, which asks for the tools first: the list of server-filesystem 0.5.1 is not what its types say.
        self.request = CallToolRequest(params=CallToolRequestParams(name=tool, arguments=arguments))
        self.answered = self.sessions = self.reopened = 0
        self.failed = []
        self.versions = set()
        self.over = asyncio.Event()

    async def run(self):
        while not self.over.is_set():
            try:
                await self.session()
            except BaseException as error:  # noqa: BLE001: a group may hold anything
                if isinstance(error, asyncio.CancelledError):
                    raise
                self.failed.append("".join(traceback.format_exception_only(error)) + leaves(error))
                await asyncio.sleep(PAUSE_S)

    async def session(self):
        async with streamable_http_client(self.url) as streams, ClientSession(streams[0], streams[1]) as session:
            hello = await session.initialize()
            self.versions.add(hello.server_info.version)
            self.sessions += 1
            for _ in range(CALLS):
                if self.over.is_set():
                    return
                try:
                    answer = await session.send_request(self.request, CallToolResult)
                except Exception as error:
                    if not any(words in str(error) for words in ENDED):
                        raise
                    self.reopened += 1
                    return
                if answer.is_error:
                    self.failed.append(str(answer.content))
                else:
                    self.answered += 1
                await asyncio.sleep(PAUSE_S)


def leaves(error):
    if isinstance(error, BaseExceptionGroup):
        return "".join(leaves(one) for one in error.exceptions)
    return f"  {error!r}\n"
