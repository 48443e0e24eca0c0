"""An authorization server's public half: a key, and a token signed with it."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

AUDIENCE = "bench"
TOKEN_SECONDS = 3600


class Issuer:
    """Serves its public keys on loopback until `stop`."""

    def __init__(self, directory: Path):
        directory.mkdir(parents=True, exist_ok=True)
        self._key = directory / "issuer.pem"
        _openssl("genrsa", "-out", str(self._key), "2048")
        modulus = _openssl("rsa", "-in", str(self._key), "-noout", "-modulus").decode().split("=")[1].strip()
        jwk = {"kty": "RSA", "kid": "bench", "use": "sig", "alg": "RS256", "n": _base64url(bytes.fromhex(modulus)), "e": "AQAB"}
        body = json.dumps({"keys": [jwk]}).encode()

        class Keys(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def token(self, subject: str = "load") -> str:
        """A token for `AUDIENCE`, good for an hour."""
        now = int(time.time())
        head = {"alg": "RS256", "kid": "bench", "typ": "at+jwt"}
        claims = {"iss": self.url, "sub": subject, "aud": AUDIENCE, "iat": now, "exp": now + TOKEN_SECONDS, "scope": "mcp:use"}
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in (head, claims))
        signature = _openssl("dgst", "-sha256", "-sign", str(self._key), input=signed.encode())
        return f"{signed}.{_base64url(signature)}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _openssl(*arguments: str, input: bytes | None = None) -> bytes:
    return subprocess.run(["openssl", *arguments], input=input, check=True, capture_output=True, timeout=60).stdout
