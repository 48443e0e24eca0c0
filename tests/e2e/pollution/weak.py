"""A server that is weak on purpose, or with `--strong` is not. Nothing but the standard library.

One tool for each class of hostile input. `--era modern` knows no sessions, and `--http` listens on loopback and says its
address on standard error."""

import argparse
import json
import re
import subprocess
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOOLS = {"read": "path", "run": "word", "fetch": "url", "match": "text"}
MODERN = "2026-07-28"


def read(path, is_weak):
    if is_weak:
        return Path(path).read_text()
    found = Path("/srv/allowed", path).resolve()
    if not found.is_relative_to("/srv/allowed"):
        raise ValueError("outside")
    return found.read_text()


def run(word, is_weak):
    if is_weak:
        return subprocess.run(f"echo {word}", shell=True, capture_output=True, text=True, check=False).stdout
    return subprocess.run(["echo", word], capture_output=True, text=True, check=False).stdout


def fetch(url, is_weak):
    if not is_weak:
        raise ValueError("this address is not on the list")
    with urllib.request.urlopen(url, timeout=2) as answer:
        return answer.read().decode()


def match(text, is_weak):
    pattern = r"(a|a)*b" if is_weak else r"a*b"
    return str(bool(re.fullmatch(pattern, text)))


def call(name, arguments, is_weak):
    try:
        text = globals()[name](arguments[TOOLS[name]], is_weak)
        return {"content": [{"type": "text", "text": text}]}
    except Exception as error:  # noqa: BLE001
        return {"content": [{"type": "text", "text": str(error)}], "isError": True}


def answer(message, args):
    """None for a notification."""
    if "id" not in message:
        return None
    params = message.get("params") or {}
    is_modern = args.era == "modern"
    told = params.get("_meta", {}).get("io.modelcontextprotocol/protocolVersion")
    method = message["method"]
    result = None
    if is_modern and told != MODERN:
        error = {"code": -32022, "message": "unsupported version", "data": {"supported": [MODERN]}}
        return {"jsonrpc": "2.0", "id": message["id"], "error": error}
    if method == "initialize" and not is_modern:
        result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}}
        result["serverInfo"] = {"name": "weak", "version": "1"}
    elif method == "server/discover" and is_modern:
        result = {"supportedVersions": [MODERN], "capabilities": {"tools": {}}, "resultType": "complete"}
    elif method == "tools/list":
        schema = {name: {"type": "object", "properties": {of: {"type": "string"}}} for name, of in TOOLS.items()}
        result = {"tools": [{"name": name, "inputSchema": of} for name, of in schema.items()]}
    elif method == "tools/call":
        result = call(params["name"], params["arguments"], not args.strong)
    if result is None:
        return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "unknown method"}}
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


class Handler(BaseHTTPRequestHandler):
    args = None

    def log_message(self, *_):
        pass

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = answer(message, self.args)
        is_same = self.headers.get("mcp-method") == message["method"]
        if self.args.era == "modern" and said and "result" in said and not is_same:
            said = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32020, "message": "head and body differ"}}
        body = b"" if said is None else b"event: message\ndata: " + json.dumps(said).encode() + b"\n\n"
        self.send_response(202 if said is None else 400 if "error" in said else 200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--era", default="legacy", choices=["legacy", "modern"])
    parser.add_argument("--http", action="store_true")
    parser.add_argument("--strong", action="store_true")
    args = parser.parse_args()
    if args.http:
        Handler.args = args
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        print(f"http://127.0.0.1:{server.server_port}/mcp", file=sys.stderr, flush=True)
        server.serve_forever()
    for line in sys.stdin:
        said = answer(json.loads(line), args)
        if said is not None:
            print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
