"""OAuth end to end: official clients, a real authorization server, and Pilothouse as the resource server between.

Each client starts with nothing but the server's address: our 401 leads it to our metadata, these to the authorization
server, where it registers, sends its user with PKCE, and comes back with a token for this very resource. Then every kind
of token that must not get in is tried, and the authorization server changes its keys while all runs."""

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DEPS = ROOT / ".deps"
sys.path.insert(0, str(ROOT / "tests/clients"))
from gateway import free_port, get, initialize, until  # noqa: E402

BIN = os.environ.get("PILOTHOUSE_BIN") or str(ROOT / "target/debug/pilothouse")
NODE = str(DEPS / "clients/node_modules/.bin/node")
checks = {"passed": 0, "failed": 0}


def check(what, holds, seen=None):
    checks["passed" if holds else "failed"] += 1
    if not holds:
        print(f"FAILED {what}: {seen!r:.400}", flush=True)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """A key of an authorization server, with its JWK."""

    def __init__(self, kid, alg="RS256"):
        self.kid, self.alg = kid, alg
        if alg == "RS256":
            self.private = rsa.generate_private_key(65537, 2048)
        else:
            self.private = ec.generate_private_key(ec.SECP256R1())
        algorithm = jwt.get_algorithm_by_name(alg)
        jwk = json.loads(algorithm.to_jwk(self.private)) | {"kid": kid, "alg": alg, "use": "sig"}
        # It is published with what is public of it, which does not sign.
        self.jwk = {name: value for name, value in jwk.items() if name != "key_ops"}

    def sign(self, claims, headers=None):
        return jwt.encode(claims, self.private, self.alg, {"kid": self.kid, "typ": "at+jwt"} | (headers or {}))

    def pem(self):
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, form)


class Running:
    """A process that is ended with the suite."""

    def __init__(self, command, log, ready, env=None):
        self.log = log
        with log.open("ab") as out:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=os.environ | (env or {})
            )
        try:
            until(f"{command[0]} is ready", lambda: self.child.poll() is None and ready(), 20)
        except AssertionError:
            print(log.read_text(), file=sys.stderr)
            raise

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            self.child.wait(20)


def authorization_server(port, keys, work):
    jwks = work / "jwks.json"
    jwks.write_text(json.dumps({"keys": [key.jwk for key in keys]}))
    ready = f"http://127.0.0.1:{port}/.well-known/openid-configuration"
    command = [NODE, str(HERE / "server.mjs"), str(port), str(jwks), "alice"]
    env = {"OAUTH_DEPS": str(DEPS / "oauth"), "NODE_NO_WARNINGS": "1"}
    return Running(command, work / "server.log", lambda: get(ready)[0] == 200, env)


def typescript(which, url, token=None):
    command = [NODE, str(HERE / "client.mjs"), which, url] + ([token] if token else [])
    return drive(command, {"CLIENT_DEPS": str(DEPS / "clients"), "NODE_NO_WARNINGS": "1"})


def python(url, token=None):
    return drive([sys.executable, str(HERE / "client.py"), url] + ([token] if token else []), {})


def drive(command, env):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | env)
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return {"error": done.stdout + done.stderr}


CLIENTS = {
    "typescript 1.x": lambda *a: typescript("sdk", *a),
    "typescript 2.x": lambda *a: typescript("client", *a),
    "python": python,
}


def post(url, token=None, session=None, message=None, more=None):
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"} | (more or {})
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if session:
        headers["Mcp-Session-Id"] = session
    return get(url, json.dumps(message or initialize()).encode(), headers)


class Suite:
    def __init__(self, work):
        self.work = work
        self.issuer_port, self.port = free_port(), free_port()
        self.issuer = f"http://127.0.0.1:{self.issuer_port}"
        self.base = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.base}/bench/mcp"
        self.key, self.spare = Key("first"), Key("elliptic", "ES256")

    def start(self):
        self.server = authorization_server(self.issuer_port, [self.key, self.spare], self.work)
        config = self.work / "pilothouse.yaml"
        config.write_text(f"""
listen: 127.0.0.1:{self.port}
admin: {{listen: "127.0.0.1:0"}}
data_dir: {self.work}/data
auth:
  api_keys: true
  issuers:
    corp: {{issuer: "{self.issuer}", required_scopes: ["mcp:use"], leeway: 2s}}
servers:
  bench: {{command: {BIN}, args: [workbench, --root, {HERE}]}}
""")
        command = [BIN, "run", "--config", str(config)]
        ready = lambda: get(f"{self.base}/readyz")[0] == 200  # noqa: E731
        self.pilothouse = Running(command, self.work / "pilothouse.log", ready)

    def stop(self):
        for name in ("pilothouse", "server"):
            if hasattr(self, name):
                getattr(self, name).stop()

    def claims(self, **more):
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": "mallory", "aud": self.url, "scope": "mcp:use", "client_id": "x",
            "iat": now, "exp": now + 300, "jti": os.urandom(8).hex(),
        } | more
        return {name: value for name, value in claims.items() if value is not None}

    def discovery(self):
        status, headers, body = post(self.url)
        want = f"{self.base}/.well-known/oauth-protected-resource/bench/mcp"
        challenge = headers.get("WWW-Authenticate", "")
        check("401 without a token", status == 401, status)
        check("the challenge leads to the metadata", f'resource_metadata="{want}"' in challenge, challenge)
        check("the challenge names the scope", 'scope="mcp:use"' in challenge, challenge)
        check("no error of a token that was not sent", "error=" not in challenge, challenge)
        check("the body is a JSON-RPC error", json.loads(body)["error"]["code"] == 40100, body)
        status, headers, body = get(want)
        metadata = json.loads(body)
        check("metadata", (status, headers.get("Content-Type")) == (200, "application/json"), status)
        check("resource", metadata["resource"] == self.url, metadata)
        check("authorization server", metadata["authorization_servers"] == [self.issuer], metadata)
        short = get(f"{self.base}/.well-known/oauth-protected-resource/mcp")
        check("metadata of /mcp", json.loads(short[2])["resource"] == f"{self.base}/mcp", short)
        unknown = get(f"{self.base}/.well-known/oauth-protected-resource/other/mcp")
        check("no metadata of what is not there", unknown[0] == 404, unknown)

    def clients(self):
        self.tokens = {}
        for path in ("/bench/mcp", "/mcp"):
            for name, client in CLIENTS.items():
                url = self.base + path
                out = client(url)
                what = f"{name} at {path}"
                check(f"{what}: was sent away first", out.get("unauthorized_first"), out)
                check(f"{what}: registered", out.get("registered"), out)
                check(f"{what}: PKCE", out.get("pkce") == "S256", out)
                check(f"{what}: asked for this resource", out.get("resource") == url, out)
                check(f"{what}: has the tools", "echo" in out.get("tools", []), out)
                check(f"{what}: called one", out.get("result") is False, out)
                self.tokens[name] = out.get("token")
        token = self.tokens["python"]
        principal = {
            json.loads(line).get("principal")
            for line in (self.work / "data/logs/combined.log").read_text().splitlines()
            if '"tools/call"' in line
        }
        check("calls are recorded under the subject", principal == {"corp:alice"}, principal)
        claims = jwt.decode(token, options={"verify_signature": False})
        check("the token is for this resource", claims["aud"] == f"{self.base}/mcp", claims)

    def forgeries(self):
        """Tokens that must not get in: what, token, HTTP status, reason."""
        key, now = self.key, int(time.time())
        good = key.sign(self.claims())
        signed, _, signature = good.rpartition(".")
        head = lambda **more: b64(json.dumps({"kid": key.kid} | more).encode())  # noqa: E731
        payload = signed.split(".")[1]

        def hs256(secret):
            message = f"{head(alg='HS256', typ='at+jwt')}.{payload}"
            return f"{message}.{b64(hmac.new(secret, message.encode(), hashlib.sha256).digest())}"

        stranger = Key(key.kid)
        twice = b64(json.dumps(self.claims()).replace("{", '{"sub": "root", ', 1).encode())
        other = Key("unknown")
        return [
            ("expired", key.sign(self.claims(exp=now - 60)), 401, "expired"),
            ("not valid yet", key.sign(self.claims(nbf=now + 60)), 401, "not_yet_valid"),
            ("issued in the future", key.sign(self.claims(iat=now + 60)), 401, "not_yet_valid"),
            ("without an end", key.sign(self.claims(exp=None)), 401, "claims"),
            ("without a subject", key.sign(self.claims(sub=None)), 401, "claims"),
            ("for another audience", key.sign(self.claims(aud="https://other.example.com")), 401, "audience"),
            ("for our base address", key.sign(self.claims(aud=self.base)), 401, "audience"),
            ("without an audience", key.sign(self.claims(aud=None)), 401, "claims"),
            ("of another issuer", key.sign(self.claims(iss="https://other.example.com")), 401, "issuer"),
            ("of the issuer with a slash", key.sign(self.claims(iss=self.issuer + "/")), 401, "issuer"),
            ("without the scope", key.sign(self.claims(scope="openid")), 403, "scope"),
            ("unsigned", f"{signed}.", 401, "signature"),
            ("alg none", f"{head(alg='none')}.{payload}.", 401, "algorithm"),
            ("alg nOnE with a signature", f"{head(alg='nOnE')}.{payload}.{signature}", 401, "algorithm"),
            ("HS256 with the public key (PEM)", hs256(key.pem()), 401, "algorithm"),
            ("HS256 with the public key (n)", hs256(key.jwk["n"].encode()), 401, "algorithm"),
            ("HS256 with nothing", hs256(b""), 401, "algorithm"),
            ("ES256 with the RSA key", f"{head(alg='ES256')}.{payload}.{signature}", 401, "algorithm"),
            ("of a stranger under our kid", stranger.sign(self.claims()), 401, "signature"),
            ("that brings its own key", stranger.sign(self.claims(), {"jwk": stranger.jwk}), 401, "signature"),
            ("that names its own keys", stranger.sign(self.claims(), {"jku": "http://127.0.0.1:1/"}), 401, "signature"),
            ("of an unknown key", other.sign(self.claims()), 401, "unknown_kid"),
            ("with another payload", f"{head(alg='RS256')}.{b64(json.dumps(self.claims(sub='root')).encode())}.{signature}",
             401, "signature"),
            ("crit", key.sign(self.claims(), {"crit": ["x"], "x": 1}), 401, "malformed"),
            ("a logout token", key.sign(self.claims(), {"typ": "logout+jwt"}), 401, "malformed"),
            ("a claim twice", f"{head(alg='RS256')}.{twice}.{signature}", 401, "malformed"),
            ("no token at all", "x.y.z", 401, "malformed"),
            ("one part", "abc", 401, "malformed"),
            ("17 KiB of a token", "a" * 17000, 401, "malformed"),
            ("an unknown API key", "ph_" + "a" * 10 + "_" + "b" * 43, 401, "unknown_key"),
        ]

    def refused(self):
        check("a good token of the same key gets in", post(self.url, self.key.sign(self.claims()))[0] == 200)
        check("so does one of the other kind", post(self.url, self.spare.sign(self.claims()))[0] == 200)
        self.secrets = []
        for what, token, status, reason in self.forgeries():
            self.secrets.append(token.rpartition(".")[2] or token)
            before = self.failures()
            got, headers, body = post(self.url, token)
            challenge = headers.get("WWW-Authenticate", "")
            check(f"a token {what}: status", got == status, (got, body))
            error = {403: "insufficient_scope"}.get(status)
            error = error or ("invalid_request" if reason == "malformed" else "invalid_token")
            fits = f'error="{error}"' in challenge and "resource_metadata=" in challenge
            check(f"a token {what}: challenge", fits, challenge)
            counted = {r for r, n in self.failures().items() if n > before.get(r, 0)}
            check(f"a token {what}: counted", counted == {reason}, counted)
            check(f"a token {what}: nothing of it is said", token[-20:] not in body + challenge, body)
        check("in the address", get(f"{self.url}?access_token={self.key.sign(self.claims())}")[0] == 401)
        good = f"Bearer {self.key.sign(self.claims())}"
        check("beside an API key", post(self.url, good[7:], more={"X-API-Key": "ph_x"})[0] == 401)
        check("as another scheme", post(self.url, more={"Authorization": good.replace("Bearer", "Basic")})[0] == 401)
        expired = self.key.sign(self.claims(exp=int(time.time()) - 60))
        for name, client in CLIENTS.items():
            out = client(self.url, expired)
            check(f"{name}: an expired token is an error for its user", "error" in out and "tools" not in out, out)

    def failures(self):
        address = (self.work / "data/admin.addr").read_text().strip()
        found = {}
        for line in get(f"http://{address}/metrics")[2].splitlines():
            if line.startswith("mcp_auth_failures_total{"):
                labels, value = line.rsplit(" ", 1)
                found[labels.split('reason="')[1].split('"')[0]] = float(value)
        return found

    def sessions(self):
        one, other = self.key.sign(self.claims(sub="one")), self.key.sign(self.claims(sub="other"))
        status, headers, _ = post(self.url, one)
        session = headers["Mcp-Session-Id"]
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        check("a session is good for who opened it", post(self.url, one, session, listing)[0] == 200)
        newer = self.key.sign(self.claims(sub="one"))
        check("also with a newer token", post(self.url, newer, session, listing)[0] == 200)
        stolen = post(self.url, other, session, listing)
        check("and for nobody else", stolen[0] == 404 and '"code":-32001' in stolen[2], stolen)
        check("who cannot end it", self.delete(other, session) == 404)
        check("it lives on", post(self.url, one, session, listing)[0] == 200)
        check("until its owner ends it", self.delete(one, session) in (200, 204))

    def delete(self, token, session):
        headers = {"Authorization": f"Bearer {token}", "Mcp-Session-Id": session}
        request = urllib.request.Request(self.url, headers=headers, method="DELETE")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def keys(self):
        run = lambda *args: subprocess.run(  # noqa: E731
            [BIN, "keys", *args, "--data-dir", str(self.work / "data")], capture_output=True, text=True, check=True
        ).stdout.strip()
        key = run("create", "ci", "--group", "readers")
        self.secrets.append(key)
        check("an API key gets in beside tokens", post(self.url, key)[0] == 200)
        check("also in its own header", post(self.url, more={"X-API-Key": key})[0] == 200)
        new = run("rotate", "ci", "--overlap", "1h")
        self.secrets.append(new)
        check("both are good for a while", (post(self.url, key)[0], post(self.url, new)[0]) == (200, 200))
        run("revoke", "ci")
        check("revoked, neither is", (post(self.url, key)[0], post(self.url, new)[0]) == (401, 401))

    def rotation(self):
        """The authorization server comes back with other keys; nobody tells Pilothouse."""
        old, before = self.key, self.key.sign(self.claims())
        check("the old key is good before", post(self.url, before)[0] == 200)
        fetches = self.fetches()
        self.server.stop()
        check("a known token outlives its issuer's absence", post(self.url, before)[0] == 200)
        self.key = Key("second")
        self.server = authorization_server(self.issuer_port, [self.key, self.spare], self.work)
        started = time.monotonic()
        until("the new key is found", lambda: post(self.url, self.key.sign(self.claims()))[0] == 200, 30)
        print(f"  a new key was known after {time.monotonic() - started:.1f} s", flush=True)
        check("the old key is no longer good", post(self.url, before)[0] == 401)
        check("nor for a new token", post(self.url, old.sign(self.claims()))[0] == 401)
        out = CLIENTS["python"](self.url)
        check("a client gets in with the new one", out.get("result") is False, out)
        flood = time.monotonic()
        for _ in range(200):
            post(self.url, Key.sign(old, self.claims(), {"kid": os.urandom(8).hex()}))
        spent = time.monotonic() - flood
        most = fetches + 3 + (time.monotonic() - started) / 10
        check("unknown keys do not make us ask again and again", self.fetches() <= most, (fetches, self.fetches()))
        print(f"  200 tokens of unknown keys: {spent:.1f} s, {self.fetches() - fetches:.0f} fetches in all", flush=True)

    def fetches(self):
        address = (self.work / "data/admin.addr").read_text().strip()
        lines = get(f"http://{address}/metrics")[2].splitlines()
        lines = [line for line in lines if line.startswith("pilothouse_jwks_fetches_total{")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def silence(self):
        """No token and no key is found in anything that was written."""
        self.pilothouse.stop()
        texts = [path.read_bytes() for path in self.work.rglob("*") if path.is_file() and path.name != "jwks.json"]
        for secret in [*self.secrets, *filter(None, self.tokens.values())]:
            secret = secret[-32:].encode()
            found = [text for text in texts if len(secret) > 12 and secret in text]
            check("a credential is written nowhere", not found, secret[:6])


def main():
    with tempfile.TemporaryDirectory(prefix="oauth-") as work:
        suite = Suite(Path(work))
        try:
            suite.start()
            for part in (suite.discovery, suite.clients, suite.refused, suite.sessions, suite.keys, suite.rotation):
                print(part.__name__, flush=True)
                part()
            suite.silence()
        finally:
            suite.stop()
    print(f"{checks['passed']} passed, {checks['failed']} failed")
    sys.exit(0 if checks["failed"] == 0 and checks["passed"] > 0 else 1)


main()
