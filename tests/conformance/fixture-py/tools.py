"""The tools that answer in one round, as the conformance suite expects them by name."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import PromptsListChanged, SubscriptionBus, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolRequestParams,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    InputRequiredResult,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)

from data import PNG, SCHEMAS, WAV

Context = ServerRequestContext[Any, Any]
Answer = CallToolResult | InputRequiredResult
Run = Callable[[Context, CallToolRequestParams], Awaitable[Answer]]
STEP_SECONDS = 0.05


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    schema: dict[str, Any]
    run: Run


TOOLS: dict[str, Tool] = {}


def tool(description: str, schema: dict[str, Any] | None = None, **strings: str) -> Callable[[Run], Run]:
    """Register a tool under its function's name; `strings` are its required string arguments."""
    if schema is None:
        schema = {
            "type": "object",
            "properties": {name: {"type": "string", "description": about} for name, about in strings.items()},
            "required": list(strings),
        }

    def register(run: Run) -> Run:
        TOOLS[run.__name__] = Tool(run.__name__, description, schema, run)
        return run

    return register


def text(words: str) -> CallToolResult:
    return content(TextContent(text=words))


def content(*blocks: ContentBlock) -> CallToolResult:
    return CallToolResult(content=list(blocks))


def resource(uri: str, mime_type: str, words: str) -> EmbeddedResource:
    return EmbeddedResource(resource=TextResourceContents(uri=uri, mime_type=mime_type, text=words))


@tool("Answers with one text item")
async def test_simple_text(ctx: Context, params: CallToolRequestParams) -> Answer:
    return text("This is a simple text response for testing.")


@tool("Answers with one image")
async def test_image_content(ctx: Context, params: CallToolRequestParams) -> Answer:
    return content(ImageContent(data=PNG, mime_type="image/png"))


@tool("Answers with one sound")
async def test_audio_content(ctx: Context, params: CallToolRequestParams) -> Answer:
    return content(AudioContent(data=WAV, mime_type="audio/wav"))


@tool("Answers with one embedded resource")
async def test_embedded_resource(ctx: Context, params: CallToolRequestParams) -> Answer:
    return content(resource("test://embedded-resource", "text/plain", "This is an embedded resource content."))


@tool("Answers with text, an image and a resource")
async def test_multiple_content_types(ctx: Context, params: CallToolRequestParams) -> Answer:
    return content(
        TextContent(text="Multiple content types test:"),
        ImageContent(data=PNG, mime_type="image/png"),
        resource("test://mixed-content-resource", "application/json", json.dumps({"test": "data", "value": 123})),
    )


@tool("Always fails")
async def test_error_handling(ctx: Context, params: CallToolRequestParams) -> Answer:
    raise RuntimeError("This tool intentionally returns an error for testing")


@tool("Reports three steps of progress when the caller gave a token")
async def test_tool_with_progress(ctx: Context, params: CallToolRequestParams) -> Answer:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100)
        await anyio.sleep(STEP_SECONDS)
    return text("Three steps done")


async def log(ctx: Context, words: str) -> None:
    await ctx.session.send_log_message("info", words, related_request_id=ctx.request_id)


@tool("Sends three log messages")
async def test_tool_with_logging(ctx: Context, params: CallToolRequestParams) -> Answer:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await log(ctx, words)
        await anyio.sleep(STEP_SECONDS)
    return text("Three messages logged")


@tool("Sends one log message, which only a caller that asked for logs may see")
async def test_logging_tool(ctx: Context, params: CallToolRequestParams) -> Answer:
    await log(ctx, "One message from test_logging_tool")
    return text("One message logged")


@tool("Asks the client's model", prompt="What to ask")
async def test_sampling(ctx: Context, params: CallToolRequestParams) -> Answer:
    question = SamplingMessage(role="user", content=TextContent(text=(params.arguments or {})["prompt"]))
    result = await ctx.session.create_message([question], max_tokens=100, related_request_id=ctx.request_id)
    said = result.content.text if isinstance(result.content, TextContent) else result.content.type
    return text(f"LLM response: {said}")


async def ask_user(ctx: Context, message: str, form: dict[str, Any]) -> str:
    answer = await ctx.session.elicit_form(message, form, related_request_id=ctx.request_id)
    return f"action={answer.action}, content={json.dumps(answer.content)}"


@tool("Asks the user for name and address", message="What to ask")
async def test_elicitation(ctx: Context, params: CallToolRequestParams) -> Answer:
    message = (params.arguments or {})["message"]
    return text(f"User response: {await ask_user(ctx, message, SCHEMAS['userForm'])}")


@tool("Shows the user a form with defaults")
async def test_elicitation_sep1034_defaults(ctx: Context, params: CallToolRequestParams) -> Answer:
    answer = await ask_user(ctx, "Please check these values", SCHEMAS["formWithDefaults"])
    return text(f"Elicitation completed: {answer}")


@tool("Shows the user a form with every kind of choice")
async def test_elicitation_sep1330_enums(ctx: Context, params: CallToolRequestParams) -> Answer:
    answer = await ask_user(ctx, "Please choose", SCHEMAS["formWithEnums"])
    return text(f"Elicitation completed: {answer}")


@tool("Needs a client that can sample")
async def test_missing_capability(ctx: Context, params: CallToolRequestParams) -> Answer:
    declared = ctx.session.client_capabilities
    if declared is None or declared.sampling is None:
        raise MCPError(
            MISSING_REQUIRED_CLIENT_CAPABILITY,
            "this tool needs the client's `sampling` capability",
            {"requiredCapabilities": {"sampling": {}}},
        )
    return text("The client can sample")


@tool("Closes its own event stream in the middle of the call")
async def test_reconnection(ctx: Context, params: CallToolRequestParams) -> Answer:
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await anyio.sleep(2 * STEP_SECONDS)
    return text("Delivered after the stream was closed")


@tool("Lists a rich JSON Schema 2020-12", schema=SCHEMAS["jsonSchema2020"])
async def json_schema_2020_12_tool(ctx: Context, params: CallToolRequestParams) -> Answer:
    return text(json.dumps(params.arguments))


@tool("Takes an argument that clients repeat in a header", schema=SCHEMAS["regionHeader"])
async def test_x_mcp_header(ctx: Context, params: CallToolRequestParams) -> Answer:
    return text(f"region={(params.arguments or {}).get('region')}")


def add_triggers(bus: SubscriptionBus) -> None:
    """Tools that tell the open `subscriptions/listen` streams about a change."""

    @tool("Announces a change of the tool list")
    async def test_trigger_tool_change(ctx: Context, params: CallToolRequestParams) -> Answer:
        await bus.publish(ToolsListChanged())
        return text("Announced")

    @tool("Announces a change of the prompt list")
    async def test_trigger_prompt_change(ctx: Context, params: CallToolRequestParams) -> Answer:
        await bus.publish(PromptsListChanged())
        return text("Announced")
