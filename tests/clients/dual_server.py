"""A server on the official Python SDK that speaks both eras, for what no published server offers in the
modern one: progress, cancellation, elicitation, sampling, list changes and resource updates.

`dual_server.py` speaks stdio, `dual_server.py PORT` Streamable HTTP on the loopback."""

import sys
from typing import Annotated

import anyio
from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve, Sample
from mcp_types import CreateMessageResult, SamplingMessage, TextContent
from pydantic import BaseModel

mcp = MCPServer("dual", version="1.0.0", log_level="WARNING")
BUOY = "harbour://buoy"


class Name(BaseModel):
    name: str


def modern(ctx: Context) -> bool:
    return (ctx.protocol_version or "") >= "2026-07-28"


def ask_name() -> Elicit[Name]:
    return Elicit("What is your name?", Name)


def ask_model(question: str) -> Sample:
    text = TextContent(type="text", text=question)
    return Sample([SamplingMessage(role="user", content=text)], max_tokens=50)


@mcp.tool()
def echo(text: str) -> str:
    return f"dual: {text}"


@mcp.tool()
async def slow(seconds: float, steps: int, ctx: Context) -> str:
    """Takes `seconds`, reporting progress `steps` times on the way."""
    for step in range(1, steps + 1):
        await anyio.sleep(seconds / steps)
        await ctx.report_progress(step, steps)
    return f"slept {steps} times"


@mcp.tool()
def greet(name: Annotated[Name, Resolve(ask_name)]) -> str:
    return f"hello {name.name}"


@mcp.tool()
def think(question: str, answer: Annotated[CreateMessageResult, Resolve(ask_model)]) -> str:
    content = answer.content[0] if isinstance(answer.content, list) else answer.content
    return f"the model says: {content.text}"


@mcp.tool()
async def grow(ctx: Context) -> str:
    """Tells the clients that the list of tools has changed."""
    if modern(ctx):
        await ctx.notify_tools_changed()
    else:
        await ctx.session.send_tool_list_changed()
    return "grown"


@mcp.tool()
async def touch(ctx: Context) -> str:
    """Tells the subscribers that the buoy has moved."""
    if modern(ctx):
        await ctx.notify_resource_updated(BUOY)
    else:
        await ctx.session.send_resource_updated(BUOY)
    return "touched"


@mcp.resource(BUOY)
def buoy() -> str:
    return "red, right, returning"


@mcp.prompt()
def hail(ship: str) -> str:
    return f"Ahoy, {ship}!"


if len(sys.argv) > 1:
    mcp.run(transport="streamable-http", port=int(sys.argv[1]))
else:
    mcp.run(transport="stdio")
