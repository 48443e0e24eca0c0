"""The resources and prompts of the fixture."""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    ContentBlock,
    EmbeddedResource,
    GetPromptRequestParams,
    GetPromptResult,
    ImageContent,
    InputRequiredResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
)

from data import PNG
from multi_round import prompt_with_context
from tools import Context

RESOURCES = [
    Resource(uri="test://static-text", name="static-text", description="A text", mime_type="text/plain"),
    Resource(uri="test://static-binary", name="static-binary", description="A picture", mime_type="image/png"),
    Resource(uri="test://watched-resource", name="watched", description="Can be watched", mime_type="text/plain"),
]
TEMPLATES = [
    ResourceTemplate(
        uri_template="test://template/{id}/data",
        name="template",
        description="Data of one id",
        mime_type="application/json",
    )
]
TEXTS = {
    "test://static-text": "This is the content of the static text resource.",
    "test://watched-resource": "Nothing has changed yet.",
}


def read(uri: str) -> ReadResourceResult:
    if uri == "test://static-binary":
        return ReadResourceResult(contents=[BlobResourceContents(uri=uri, mime_type="image/png", blob=PNG)])
    if uri in TEXTS:
        return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type="text/plain", text=TEXTS[uri])])
    if match := re.fullmatch(r"test://template/([^/]+)/data", uri):
        data = {"id": match[1], "templateTest": True, "data": f"Data for ID: {match[1]}"}
        item = TextResourceContents(uri=uri, mime_type="application/json", text=json.dumps(data))
        return ReadResourceResult(contents=[item])
    raise MCPError(INVALID_PARAMS, f"no resource has the URI `{uri}`", {"uri": uri})


PromptAnswer = GetPromptResult | InputRequiredResult


@dataclass(frozen=True)
class PromptEntry:
    listed: Prompt
    get: Callable[[Context, GetPromptRequestParams], Awaitable[PromptAnswer]]


def messages(*blocks: ContentBlock) -> GetPromptResult:
    return GetPromptResult(messages=[PromptMessage(role="user", content=block) for block in blocks])


async def simple(ctx: Context, params: GetPromptRequestParams) -> PromptAnswer:
    return messages(TextContent(text="This is a simple prompt for testing."))


async def with_arguments(ctx: Context, params: GetPromptRequestParams) -> PromptAnswer:
    given = params.arguments or {}
    return messages(TextContent(text=f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'"))


async def with_resource(ctx: Context, params: GetPromptRequestParams) -> PromptAnswer:
    uri = (params.arguments or {})["resourceUri"]
    item = TextResourceContents(uri=uri, mime_type="text/plain", text="Embedded resource content for testing.")
    return messages(EmbeddedResource(resource=item), TextContent(text="Please process the embedded resource above."))


async def with_image(ctx: Context, params: GetPromptRequestParams) -> PromptAnswer:
    return messages(
        ImageContent(data=PNG, mime_type="image/png"), TextContent(text="Please analyze the image above.")
    )


def entry(name: str, description: str, get, *arguments: str) -> tuple[str, PromptEntry]:
    listed = Prompt(
        name=name,
        description=description,
        arguments=[PromptArgument(name=a, description=f"The value of {a}", required=True) for a in arguments],
    )
    return name, PromptEntry(listed, get)


PROMPTS = dict(
    [
        entry("test_simple_prompt", "One message", simple),
        entry("test_prompt_with_arguments", "Repeats its arguments", with_arguments, "arg1", "arg2"),
        entry("test_prompt_with_embedded_resource", "Embeds a resource", with_resource, "resourceUri"),
        entry("test_prompt_with_image", "Embeds a picture", with_image),
        entry("test_input_required_result_prompt", "Asks for context first", prompt_with_context),
    ]
)
