"""The official Python client, meeting a protected server for the first time; as client.mjs.

usage: client.py URL [TOKEN]; prints one JSON object."""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
import mcp
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.oauth2 import AuthorizationCodeResult
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import OAuthClientMetadata

REDIRECT = "http://127.0.0.1:9/callback"


class Storage:
    def __init__(self):
        self.tokens = self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


async def walk(target):
    """What a browser does, until it is sent to the client's own address."""
    async with httpx2.AsyncClient(follow_redirects=False) as browser:
        for _ in range(20):
            if str(target).startswith(REDIRECT):
                return {name: values[0] for name, values in parse_qs(urlsplit(str(target)).query).items()}
            answer = await browser.get(target)
            if "location" not in answer.headers:
                raise RuntimeError(f"{target} answered {answer.status_code} {answer.text}")
            target = httpx2.URL(str(target)).join(answer.headers["location"])
    raise RuntimeError("redirected too often")


async def drive(url, token):
    storage, seen, out = Storage(), {}, {}

    async def redirect(target):
        seen["authorization"] = parse_qs(urlsplit(target).query)
        seen["arrived"] = await walk(target)
        out["unauthorized_first"] = True

    async def callback():
        arrived = seen["arrived"]
        return AuthorizationCodeResult(code=arrived["code"], state=arrived.get("state"), iss=arrived.get("iss"))

    metadata = OAuthClientMetadata(
        client_name="suite",
        redirect_uris=[REDIRECT],
        grant_types=["authorization_code"],
        response_types=["code"],
        token_endpoint_auth_method="none",
        application_type="native",
    )
    provider = OAuthClientProvider(url, metadata, storage, redirect, callback)
    settings = {"headers": {"Authorization": f"Bearer {token}"}} if token else {"auth": provider}
    try:
        async with create_mcp_http_client(**settings) as http:
            async with streamable_http_client(url, http_client=http) as (read, write, *_):
                async with mcp.ClientSession(read, write) as session:
                    await session.initialize()
                    out["tools"] = [tool.name for tool in (await session.list_tools()).tools]
                    result = await session.call_tool("echo", {"text": "x"})
                    out["result"] = bool(result.is_error)
    except BaseException as error:
        out["error"] = "; ".join(leaves(error))
    out["token"] = storage.tokens.access_token if storage.tokens else None
    asked = seen.get("authorization", {})
    out["resource"] = asked.get("resource", [None])[0]
    out["pkce"] = asked.get("code_challenge_method", [None])[0]
    out["registered"] = storage.client is not None
    print(json.dumps(out))


def leaves(error):
    if isinstance(error, BaseExceptionGroup):
        return [text for inner in error.exceptions for text in leaves(inner)]
    return [f"{type(error).__name__}: {error}"]


asyncio.run(drive(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
