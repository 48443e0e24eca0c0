"""Tools and a prompt that need input from the client before they can answer (2026-07-28)."""

from typing import Any

from mcp_types import (
    CallToolRequestParams,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    CreateMessageResultWithTools,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    PromptMessage,
    SamplingMessage,
    TextContent,
)

from data import FORMS
from tools import Answer, Context, text, tool

Params = CallToolRequestParams | GetPromptRequestParams


def elicit(message: str, form: str) -> ElicitRequest:
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=FORMS[form]))


def sample(prompt: str, max_tokens: int) -> CreateMessageRequest:
    question = SamplingMessage(role="user", content=TextContent(text=prompt))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[question], max_tokens=max_tokens))


def need(state: str | None = None, **requests: InputRequest) -> InputRequiredResult:
    return InputRequiredResult(input_requests=requests, request_state=state)


def form_value(params: Params, key: str, field: str) -> Any | None:
    """What the user entered in `field` of the form `key`, or None if the form was not accepted."""
    answer = (params.input_responses or {}).get(key)
    if not isinstance(answer, ElicitResult) or answer.action != "accept":
        return None
    return (answer.content or {}).get(field)


def sampled(params: Params, key: str) -> str | None:
    answer = (params.input_responses or {}).get(key)
    if not isinstance(answer, CreateMessageResult | CreateMessageResultWithTools):
        return None
    return answer.content.text if isinstance(answer.content, TextContent) else "(not text)"


def roots(params: Params, key: str) -> str | None:
    answer = (params.input_responses or {}).get(key)
    if not isinstance(answer, ListRootsResult):
        return None
    return ", ".join(str(root.uri) for root in answer.roots) or "none"


@tool("Greets the user, whose name it has to ask for")
async def test_input_required_result_elicitation(ctx: Context, params: CallToolRequestParams) -> Answer:
    name = form_value(params, "user_name", "name")
    if not isinstance(name, str):
        return need(user_name=elicit("What is your name?", "name"))
    return text(f"Hello, {name}!")


@tool("Passes on what the client's model says")
async def test_input_required_result_sampling(ctx: Context, params: CallToolRequestParams) -> Answer:
    capital = sampled(params, "capital_question")
    if capital is None:
        return need(capital_question=sample("What is the capital of France?", 100))
    return text(f"The model said: {capital}")


@tool("Names the client's roots")
async def test_input_required_result_list_roots(ctx: Context, params: CallToolRequestParams) -> Answer:
    found = roots(params, "client_roots")
    if found is None:
        return need(client_roots=ListRootsRequest())
    return text(f"Client roots: {found}")


@tool("Asks for a confirmation and gives the client a state to bring back")
async def test_input_required_result_request_state(ctx: Context, params: CallToolRequestParams) -> Answer:
    if params.request_state is None or form_value(params, "confirm", "ok") is None:
        return need("confirmation pending", confirm=elicit("Go on?", "ok"))
    return text("state-ok")


@tool("Asks for three things at once")
async def test_input_required_result_multiple_inputs(ctx: Context, params: CallToolRequestParams) -> Answer:
    name = form_value(params, "user_name", "name")
    greeting = sampled(params, "greeting")
    found = roots(params, "client_roots")
    if name is None or greeting is None or found is None:
        return need(
            "three answers pending",
            user_name=elicit("What is your name?", "name"),
            greeting=sample("Generate a greeting", 50),
            client_roots=ListRootsRequest(),
        )
    return text(f"{greeting} {name}; roots: {found}")


@tool("Asks two questions, one after the other")
async def test_input_required_result_multi_round(ctx: Context, params: CallToolRequestParams) -> Answer:
    if params.request_state is None:
        return need("round 1", step1=elicit("What is your name?", "name"))
    if params.request_state == "round 1":
        name = form_value(params, "step1", "name")
        if name is None:
            return need("round 1", step1=elicit("What is your name?", "name"))
        return need(f"round 2 {name}", step2=elicit("Which color do you like?", "color"))
    color = form_value(params, "step2", "color")
    if color is None:
        return need(params.request_state, step2=elicit("Which color do you like?", "color"))
    return text(f"{params.request_state.removeprefix('round 2 ')} likes {color}")


@tool("Accepts its state only unchanged")
async def test_input_required_result_tampered_state(ctx: Context, params: CallToolRequestParams) -> Answer:
    # The SDK seals the state on the way out and refuses a changed one before this code runs.
    return await test_input_required_result_request_state(ctx, params)


@tool("Asks only for what the client can answer")
async def test_input_required_result_capabilities(ctx: Context, params: CallToolRequestParams) -> Answer:
    declared = ctx.session.client_capabilities
    requests: dict[str, InputRequest] = {}
    if declared is not None and declared.sampling is not None:
        requests["thought"] = sample("Say one word", 10)
    if declared is not None and declared.elicitation is not None:
        requests["user_name"] = elicit("What is your name?", "name")
    if not requests or params.input_responses:
        return text("Nothing left to ask")
    return need(**requests)


@tool("Would rather ask the user; must not do so with a request of its own")
async def test_streaming_elicitation(ctx: Context, params: CallToolRequestParams) -> Answer:
    name = form_value(params, "user_name", "name")
    await ctx.session.report_progress(1, 2)
    if name is None:
        return need(user_name=elicit("What is your name?", "name"))
    return text(f"Hello, {name}!")


async def prompt_with_context(ctx: Context, params: GetPromptRequestParams) -> GetPromptResult | InputRequiredResult:
    given = form_value(params, "user_context", "context")
    if given is None:
        return need(user_context=elicit("What is this about?", "context"))
    return GetPromptResult(messages=[PromptMessage(role="user", content=TextContent(text=f"Context: {given}"))])
