#!/usr/bin/env python3
"""A small MCP server over HTTP whose tool fails or is slow when told to: `server.py PORT`.

`GET /mode/ok`, `/mode/fail` (500) and `/mode/slow` (each call takes SLOW_SECONDS) choose. Prints a line when
it listens.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOW_SECONDS = 3.0
mode = "ok"


def result_of(message):
    method = message["method"]
    if method == "initialize":
        version = message["params"]["protocolVersion"]
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "weak", "version": "1"}}
    if method == "server/discover":
        return {
            "resultType": "complete",
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "weak", "version": "1"},
        }
    if method == "tools/call":
        return {"resultType": "complete", "content": [{"type": "text", "text": "done"}]}
    return {"resultType": "complete"} if method != "ping" else {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global mode
        if self.path.startswith("/mode/"):
            mode = self.path.rpartition("/")[2]
        self.say(200 if self.path.startswith("/mode/") else 405, b"")

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in message:
            return self.say(202, b"")
        if message["method"] == "tools/call":
            if mode == "fail":
                return self.say(500, b"it is broken")
            if mode == "slow":
                time.sleep(SLOW_SECONDS)
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": result_of(message)}
        self.say(200, json.dumps(answer).encode())

    def say(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64


server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
print("listening", flush=True)
server.serve_forever()
