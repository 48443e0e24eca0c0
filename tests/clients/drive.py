"""Drives the official Python client and fastmcp; lines in and out are those of drive.mjs.

The process lives for the whole suite, so that the packages are loaded once. What is right or wrong is not
decided here: `run` compares the answers with its table."""

import asyncio
import json
import sys
import time
import warnings
from collections import Counter
from contextlib import AsyncExitStack

import fastmcp
import httpx2
import mcp
import mcp_types as types
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

# The clients warn about features that the newest revision calls deprecated; these are what is driven here.
warnings.simplefilter("ignore")

STEP_S = 15
MODERN = "2026-07-28"


class Wire:
    """What one case sent and saw, told apart by JSON-RPC method."""

    def __init__(self):
        self.sent, self.asked = Counter(), Counter()
        self.answered = self.streams = 0
        self.notifications = []
        self.changed = asyncio.Condition()

    def hooks(self):
        return {"request": [self.on_request], "response": [self.on_response]}

    async def on_request(self, request: httpx2.Request):
        if request.method != "POST":
            return
        messages = json.loads(request.content)
        for message in messages if isinstance(messages, list) else [messages]:
            if "id" in message and "method" in message:
                self.sent[message["method"]] += 1
            elif "id" in message:
                self.answered += 1

    async def on_response(self, response: httpx2.Response):
        if response.request.method == "GET" and response.is_success:
            self.streams += 1
            await self.wake()

    async def wake(self):
        async with self.changed:
            self.changed.notify_all()

    async def ask(self, method):
        self.asked[method] += 1
        await self.wake()

    async def note(self, message):
        if not isinstance(message, Exception):
            self.notifications.append(message.model_dump(by_alias=True, mode="json"))
            await self.wake()

    async def until(self, holds):
        async with asyncio.timeout(STEP_S), self.changed:
            await self.changed.wait_for(holds)


def http_client(wire: Wire, **settings):
    client = create_mcp_http_client(**settings)
    for event, hooks in wire.hooks().items():
        client.event_hooks[event] = client.event_hooks[event] + hooks
    return client


def parrot(messages):
    content = messages[0].content
    content = content[0] if isinstance(content, list) else content
    return f"parrot says: {content.text}"


def official_client(plan, wire: Wire, stack: AsyncExitStack):
    async def sampling(_context, params):
        await wire.ask("sampling/createMessage")
        text = types.TextContent(type="text", text=parrot(params.messages))
        return types.CreateMessageResult(role="assistant", model="parrot-1", content=text)

    async def elicitation(_context, _params):
        await wire.ask("elicitation/create")
        return types.ElicitResult(action="accept", content={"name": "Ada Lovelace"})

    async def roots(_context):
        await wire.ask("roots/list")
        return types.ListRootsResult(roots=[types.Root(uri="file:///srv/harbour", name="harbour")])

    if "url" in plan:
        server = streamable_http_client(plan["url"], http_client=http_client(wire))
    else:
        server = mcp.StdioServerParameters(command=plan["command"][0], args=plan["command"][1:])
    return mcp.Client(
        server,
        mode=MODERN if plan["mode"] == "modern" else plan["mode"],
        sampling_callback=sampling,
        elicitation_callback=elicitation,
        list_roots_callback=roots if plan.get("roots") else None,
        message_handler=wire.note,
        read_timeout_seconds=STEP_S,
        cache=None,
    )


def fastmcp_client(plan, wire: Wire):
    async def sampling(messages, _params, _context):
        await wire.ask("sampling/createMessage")
        return parrot(messages)

    async def elicitation(_message, _response_type, _params, _context):
        await wire.ask("elicitation/create")
        return {"name": "Ada Lovelace"}

    async def roots(_context):
        await wire.ask("roots/list")
        return [types.Root(uri="file:///srv/harbour", name="harbour")]

    if "url" in plan:
        factory = lambda headers=None, auth=None, timeout=None, **_: http_client(wire, headers=headers, timeout=timeout, auth=auth)
        transport = StreamableHttpTransport(plan["url"], httpx_client_factory=factory)
    else:
        transport = StdioTransport(command=plan["command"][0], args=plan["command"][1:], keep_alive=False)
    return fastmcp.Client(
        transport,
        mode=MODERN if plan["mode"] == "modern" else plan["mode"],
        sampling_handler=sampling,
        elicitation_handler=elicitation,
        roots=roots if plan.get("roots") else None,
        message_handler=wire.note,
        timeout=STEP_S,
        cache=False,
    )


class Steps:
    """One connection and what can be done over it. Each step answers with facts."""

    def __init__(self, kind, client, wire: Wire):
        self.kind, self.client, self.wire = kind, client, wire
        self.subscription = None

    def _call(self, step, on_progress):
        async def progress(done, _total, _message):
            on_progress(done)

        args = step.get("args") or {}
        if self.kind == "fastmcp":
            return self.client.call_tool_mcp(step["name"], args, progress_handler=progress)
        return self.client.call_tool(step["name"], args, progress_callback=progress)

    async def list_tools(self, _step):
        tools = await self.client.list_tools()
        return {"names": [tool.name for tool in getattr(tools, "tools", tools)]}

    async def call(self, step):
        progress, first = [], []

        def on_progress(done):
            first.append(time.monotonic())
            progress.append(done)

        result = await self._call(step, on_progress)
        return {
            "text": "".join(getattr(item, "text", "") for item in result.content),
            "is_error": bool(result.is_error),
            "structured": result.structured_content,
            "progress": progress,
            "progress_ahead_ms": round((time.monotonic() - first[0]) * 1000) if first else 0,
        }

    async def many(self, step):
        """Calls at the same time, each with a text of its own."""
        texts = [f"number {n} of {step['count']}" for n in range(step["count"])]
        calls = [self._call({"name": step["name"], "args": {step["argument"]: text}}, lambda _done: None) for text in texts]
        answers = ["".join(item.text for item in result.content) for result in await asyncio.gather(*calls)]
        bad = [answer for text, answer in zip(texts, answers) if answer != step["prefix"] + text]
        return {"good": len(texts) - len(bad), "bad": bad}

    async def cancel(self, step):
        """Starts a call and cancels it, on its first progress if it reports any, else after a while."""
        reported = asyncio.Event()
        task = asyncio.create_task(self._call(step, lambda _done: reported.set()))
        started = time.monotonic()
        if "after_ms" in step:
            await asyncio.sleep(step["after_ms"] / 1000)
        else:
            async with asyncio.timeout(STEP_S):
                await reported.wait()
        task.cancel()
        try:
            result = await task
            return {"cancelled": False, "text": str(result)}
        except asyncio.CancelledError:
            return {"cancelled": True, "took_ms": round((time.monotonic() - started) * 1000)}

    async def list_prompts(self, _step):
        prompts = await self.client.list_prompts()
        return {"names": [prompt.name for prompt in getattr(prompts, "prompts", prompts)]}

    async def get_prompt(self, step):
        result = await self.client.get_prompt(step["name"], step.get("args") or {})
        return {"text": "".join(message.content.text for message in result.messages)}

    async def list_resources(self, _step):
        found = await self.client.list_resources()
        return {"uris": [str(resource.uri) for resource in getattr(found, "resources", found)]}

    async def list_templates(self, _step):
        found = await self.client.list_resource_templates()
        return {"uris": [template.uri_template for template in getattr(found, "resource_templates", found)]}

    async def read_resource(self, step):
        found = await self.client.read_resource(step["uri"])
        contents = getattr(found, "contents", found)
        return {"text": "".join(getattr(item, "text", None) or item.blob for item in contents)}

    async def complete(self, step):
        ref, argument = step["ref"], step["argument"]
        kinds = {"ref/prompt": types.PromptReference, "ref/resource": types.ResourceTemplateReference}
        result = await self.client.complete(kinds[ref["type"]](**ref), argument)
        return {"values": getattr(result, "completion", result).values}

    async def ping(self, _step):
        if self.kind == "fastmcp":
            return {"result": {} if await self.client.ping() else None}
        return {"result": (await self.client.send_ping()).model_dump(exclude_none=True, exclude_defaults=True)}

    async def subscribe(self, step):
        await self.client.session.subscribe_resource(step["uri"])
        return {"result": {}}

    async def unsubscribe(self, step):
        await self.client.session.unsubscribe_resource(step["uri"])
        return {"result": {}}

    async def listen(self, step):
        wanted = step["filter"]
        self.subscription = mcp.client.subscriptions.listen(
            self.client.session,
            tools_list_changed=wanted.get("toolsListChanged", False),
            resource_subscriptions=wanted.get("resourceSubscriptions", ()),
        )
        async with asyncio.timeout(STEP_S):
            await self.subscription.__aenter__()
        return {}

    async def unlisten(self, _step):
        await self.subscription.__aexit__(None, None, None)
        return {}

    async def wait_stream(self, _step):
        await self.wire.until(lambda: self.wire.streams > 0)
        return {}

    async def wait_note(self, step):
        def seen():
            return any(
                note["method"] == step["method"] and step.get("uri") in (None, (note.get("params") or {}).get("uri"))
                for note in self.wire.notifications
            )

        await self.wire.until(seen)
        return {}

    async def wait_asked(self, step):
        await self.wire.until(lambda: self.wire.asked[step["method"]] > 0)
        return {}


def facts(error: BaseException):
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    inner = getattr(error, "error", None)
    found = {"ok": False, "error": f"{type(error).__name__}: {error}"[:2000], "code": getattr(inner, "code", None)}
    data = getattr(inner, "data", None)
    return found | ({"data": data} if data is not None else {})


async def drive(plan, say):
    wire = Wire()
    kind = plan["client"]
    connected = False
    try:
        async with AsyncExitStack() as stack:
            client = fastmcp_client(plan, wire) if kind == "fastmcp" else official_client(plan, wire, stack)
            async with client:
                connected = True
                session = client.session
                info = session.server_info
                say({"do": "connect", "ok": True, "server": info and info.name, "version": session.protocol_version})
                steps = Steps(kind, client, wire)
                for step in plan["steps"]:
                    try:
                        async with asyncio.timeout(2 * STEP_S):
                            say({"do": step["do"], "ok": True, **await getattr(steps, step["do"])(step)})
                    except Exception as error:
                        say({"do": step["do"], **facts(error)})
                        if not step.get("may_fail"):
                            break
    except Exception as error:
        say({"do": "close" if connected else "connect", **facts(error)})
    say({"done": True, "sent": wire.sent, "asked": wire.asked, "answered": wire.answered, "streams": wire.streams})


async def main():
    lines = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        plan = json.loads(line)
        await drive(plan, lambda fact: print(json.dumps({"case": plan["case"], **fact}), flush=True))


asyncio.run(main())
