"""A server for the MCP conformance suite, on the official Python SDK.

    server.py --http PORT    Streamable HTTP on http://127.0.0.1:PORT/mcp
    server.py                stdio
"""

import argparse
import warnings

import anyio
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    EmptyResult,
    GetPromptRequestParams,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    ReadResourceRequestParams,
    TextContent,
    Tool,
)

import multi_round  # noqa: F401  (registers its tools)
from documents import PROMPTS, RESOURCES, TEMPLATES, read
from event_store import MemoryEventStore
from tools import TOOLS, Answer, add_triggers

NAME = "pilothouse-conformance-fixture-py"
RETRY_MS = 100
CACHEABLE = ["server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list"]
Context = ServerRequestContext


async def list_tools(ctx: Context, params) -> ListToolsResult:
    listed = [Tool(name=t.name, description=t.description, input_schema=t.schema) for t in TOOLS.values()]
    return ListToolsResult(tools=listed)


async def call_tool(ctx: Context, params: CallToolRequestParams) -> Answer:
    if params.name not in TOOLS:
        raise MCPError(INVALID_PARAMS, f"no tool has the name `{params.name}`")
    try:
        return await TOOLS[params.name].run(ctx, params)
    except MCPError:
        raise
    except Exception as problem:
        return CallToolResult(content=[TextContent(text=str(problem))], is_error=True)


async def list_resources(ctx: Context, params) -> ListResourcesResult:
    return ListResourcesResult(resources=RESOURCES)


async def list_templates(ctx: Context, params) -> ListResourceTemplatesResult:
    return ListResourceTemplatesResult(resource_templates=TEMPLATES)


async def read_resource(ctx: Context, params: ReadResourceRequestParams):
    return read(params.uri)


async def list_prompts(ctx: Context, params) -> ListPromptsResult:
    return ListPromptsResult(prompts=[entry.listed for entry in PROMPTS.values()])


async def get_prompt(ctx: Context, params: GetPromptRequestParams):
    if params.name not in PROMPTS:
        raise MCPError(INVALID_PARAMS, f"no prompt has the name `{params.name}`")
    return await PROMPTS[params.name].get(ctx, params)


async def complete(ctx: Context, params: CompleteRequestParams) -> CompleteResult:
    known = ["paris", "park", "party", "test-one", "test-two"]
    fitting = [word for word in known if word.startswith(params.argument.value)]
    return CompleteResult(completion=Completion(values=fitting, total=len(fitting), has_more=False))


async def nothing(ctx: Context, params) -> EmptyResult:
    return EmptyResult()


def build() -> Server:
    bus = InMemorySubscriptionBus()
    add_triggers(bus)
    hint = CacheHint(ttl_ms=1000, scope="public")
    server = Server(
        NAME,
        version="1.0.0",
        cache_hints={method: hint for method in [*CACHEABLE, "resources/read"]},
        get_tool_input_schema=lambda name: TOOLS[name].schema if name in TOOLS else None,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
        on_subscribe_resource=nothing,
        on_unsubscribe_resource=nothing,
        on_subscriptions_listen=ListenHandler(bus),
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_completion=complete,
        on_set_logging_level=nothing,
    )
    security = RequestStateSecurity(keys=["a key that only protects states in a test run"])
    server.middleware.append(RequestStateBoundary(security, default_audience=NAME))
    return server


def serve_http(server: Server, port: int) -> None:
    # Here, since a child per session has to start quickly and does not need it.
    import uvicorn

    app = server.streamable_http_app(event_store=MemoryEventStore(), retry_interval=RETRY_MS)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="info", timeout_graceful_shutdown=1)


async def serve_stdio(server: Server) -> None:
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


def main() -> None:
    # The suite exercises logging and sampling, which the SDK deprecates.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--http", type=int, metavar="PORT", help="serve on this loopback port instead of stdio")
    port = arguments.parse_args().http
    if port is None:
        anyio.run(serve_stdio, build())
    else:
        serve_http(build(), port)


if __name__ == "__main__":
    main()
