# /// script
# requires-python = ">=3.10"
# dependencies = ["mcp==2.3.0"]
# ///
"""The official Python client: lists the tools behind Pilothouse and calls one.

    uv run docs/examples/client.py KEY_FILE"""

import asyncio
import sys
from pathlib import Path

import mcp
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

ENDPOINT = "http://127.0.0.1:3000/mcp"


async def main():
    key = Path(sys.argv[1]).read_text().strip()
    http = create_mcp_http_client(headers={"Authorization": f"Bearer {key}"})
    async with mcp.Client(streamable_http_client(ENDPOINT, http_client=http)) as client:
        tools = (await client.list_tools()).tools
        print(f"{len(tools)} tools")
        answer = await client.call_tool("echo", {"message": "hello"})
        print(answer.content[0].text)


asyncio.run(main())
