"""Both listeners with TLS: curl, the official TypeScript client, and certificates that change while they are shown."""

import json
import os
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEPS = HERE.parents[2] / ".deps/clients"
STEP_SECONDS = 20


def until(what: str, look) -> None:
    deadline = time.monotonic() + STEP_SECONDS
    while not look():
        assert time.monotonic() < deadline, f"not seen in time: {what}"
        time.sleep(0.05)


class Served:
    """Pilothouse with TLS on both listeners, in front of the workbench."""

    def __init__(self, binary, folder: Path, cert: Path, key: Path, ports: tuple[int, int], client_ca: Path | None = None):
        self.binary, self.dir = binary, folder
        folder.mkdir()
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.show(cert, key)
        self.ca = cert
        asks = f', client_ca: "{client_ca}"' if client_ca else ""
        tls = f'{{cert: "{self.cert}", key: "{self.key}"{asks}}}'
        plain = f'{{cert: "{self.cert}", key: "{self.key}"}}'
        self.base, self.admin = (f"https://localhost:{port}" for port in ports)
        config = folder / "pilothouse.yaml"
        config.write_text(
            f'listen: 127.0.0.1:{ports[0]}\ntls: {tls}\nadmin: {{listen: "127.0.0.1:{ports[1]}", tls: {plain}}}\n'
            f'servers:\n  bench: {{command: "{binary}", args: [workbench]}}\n'
        )
        self.stderr = folder / "stderr"
        command = [str(binary), "run", "--config", str(config), "--data-dir", str(folder / "data")]
        self.process = subprocess.Popen(command, stderr=self.stderr.open("w"))
        until("the admin listener", lambda: self.curl(f"{self.admin}/readyz")[0] == 0)

    def show(self, cert: Path, key: Path) -> None:
        self.cert.write_bytes(cert.read_bytes())
        self.key.write_bytes(key.read_bytes())

    def curl(self, url: str, *more: str, ca: Path | None = None) -> tuple[int, str]:
        """The exit code of curl, and `HTTP-VERSION STATUS`."""
        command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "--cacert", str(ca or self.ca), *more, url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=STEP_SECONDS)
        return done.returncode, done.stdout

    def metric(self, name: str) -> float:
        done = subprocess.run(["curl", "-s", "--cacert", str(self.ca), f"{self.admin}/metrics"], capture_output=True, text=True, timeout=STEP_SECONDS)
        return next((float(line.split()[-1]) for line in done.stdout.splitlines() if line.startswith(name)), -1)

    def client(self) -> subprocess.Popen:
        env = os.environ | {"CLIENTS_DEPS": str(DEPS), "NODE_EXTRA_CA_CERTS": str(self.ca)}
        node = DEPS / "node_modules/.bin/node"
        command = [str(node), str(HERE / "client.mjs"), f"{self.base}/mcp"]
        return subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def echo(client: subprocess.Popen, text: str) -> None:
    client.stdin.write(text + "\n")
    client.stdin.flush()
    got = client.stdout.readline().strip()
    assert got == text, got


def both_versions(served: Served) -> None:
    assert served.curl(f"{served.base}/readyz", "--http1.1") == (0, "1.1 200")
    assert served.curl(f"{served.base}/readyz", "--http2") == (0, "2 200")
    assert served.curl(f"{served.admin}/metrics", "--http2") == (0, "2 200")


def changed(served: Served, cert: Path, key: Path, other_key: Path) -> None:
    """A real client calls through a change that is refused and one that is taken."""
    old = served.ca
    with served.client() as client:
        assert client.stdout.readline().strip() == "connected"
        echo(client, "before")
        ended = served.metric('pilothouse_tls_certificate_expiry_timestamp_seconds{listener="data"}')
        served.show(cert, other_key)
        until("a refused pair", lambda: served.metric('pilothouse_tls_reloads_total{listener="data",result="refused"}') == 1)
        assert "is not that of the certificate" in served.stderr.read_text()
        echo(client, "while the new pair is refused")
        assert served.curl(f"{served.base}/readyz", ca=old)[0] == 0, "the old certificate is not shown on"
        served.show(cert, key)
        until("the new certificate", lambda: served.curl(f"{served.base}/readyz", ca=cert)[0] == 0)
        served.ca = cert
        until("the new one at the admin listener", lambda: served.curl(f"{served.admin}/readyz")[0] == 0)
        assert served.curl(f"{served.base}/readyz", ca=old)[0] != 0, "the old certificate is shown still"
        echo(client, "after")
        client.stdin.close()
        assert client.wait(STEP_SECONDS) == 0
    assert served.metric('pilothouse_tls_certificate_expiry_timestamp_seconds{listener="data"}') > ended


def commands(served: Served) -> None:
    """Commands find the admin listener by the data directory, and trust what they are told to."""
    command = [str(served.binary), "logs", "--json", "--data-dir", str(served.dir / "data")]
    env = os.environ | {"PILOTHOUSE_ADMIN_CA": str(served.ca)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=STEP_SECONDS)
    assert done.returncode == 0 and '"event"' in done.stdout, done.stderr
    assert json.loads(done.stdout.splitlines()[0]), done.stdout
    assert (served.dir / "data/admin.addr").read_text().startswith("https://")


def certificates_of_clients(served: Served, cert: Path, key: Path) -> None:
    assert served.curl(f"{served.base}/readyz")[0] != 0, "a client without a certificate is served"
    assert served.curl(f"{served.base}/readyz", "--cert", str(cert), "--key", str(key)) == (0, "2 200")


def unguarded(binary, folder: Path) -> None:
    """Beyond loopback nobody is served unasked."""
    for more, said in (([], "can be reached from other machines"), (["--admin", "0.0.0.0:0"], "`admin.auth: keys`")):
        address = "127.0.0.1:0" if more else "0.0.0.0:0"
        command = [str(binary), "run", "--listen", address, *more, "--data-dir", str(folder / "unguarded"), "--", str(binary), "workbench"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=STEP_SECONDS)
        assert done.returncode != 0 and said in done.stderr, done.stderr
