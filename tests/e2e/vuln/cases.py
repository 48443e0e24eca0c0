"""What the daemon makes of a server that lays what a tool is given over its settings, with lodash 4.17.4: its case says how near
that is to a caller and who has called, VEX says where the case stands, and a move to `deployed` is refused with what is in the way.

The server speaks stdio without an SDK; its lodash is a few lines of our own that are called 4.17.4, since nothing here depends on
what they do. PILOTHOUSE_BIN names the binary (default target/debug/pilothouse)."""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from lib4vex.openvex.openvex_parser import OpenVEXParser
from scan import BINARY, ROOT, check, checks

SERVER = """
import readline from 'node:readline';
import { change } from './settings.js';

const tools = {};
const server = { registerTool(name, about, run) { tools[name] = { about, run }; } };
server.registerTool('change_settings', { inputSchema: {} }, ({ patch }) => change(patch));
server.registerTool('hello', { inputSchema: {} }, () => 'hello');

const answers = {
  initialize: () => ({ protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'settings', version: '1' } }),
  'tools/list': () => ({ tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: 'object' } })) }),
  'tools/call': ({ name, arguments: given }) => ({ content: [{ type: 'text', text: JSON.stringify(tools[name].run(given)) }] }),
};
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const result = answers[method] ? answers[method](params) : {};
  process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
});
"""
SETTINGS = """import lodash from 'lodash';

const settings = { color: 'blue' };

export function change(patch) {
  return lodash.merge(settings, patch);
}
"""
# Not of any database: what an advisory on servers of HTTP reads like.
REBINDING = {
    "schema_version": "1.7.5",
    "id": "EXAMPLE-2026-1",
    "modified": "2026-11-23T00:00:00Z",
    "summary": "No protection from DNS rebinding by default",
    "affected": [{"package": {"ecosystem": "npm", "name": "lodash"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "4.17.11"}]}]}],
    "database_specific": {"severity": "MODERATE"},
}


def lay_out(folder, version):
    lodash = folder / "srv/node_modules/lodash"
    lodash.mkdir(parents=True, exist_ok=True)
    (lodash / "package.json").write_text(json.dumps({"name": "lodash", "version": version, "main": "index.js"}))
    (lodash / "index.js").write_text("exports.merge = (into, from) => Object.assign(into, from);\n")
    (folder / "srv/package.json").write_text(json.dumps({"name": "srv", "type": "module", "dependencies": {"lodash": version}}))
    (folder / "srv/server.js").write_text(SERVER)
    (folder / "srv/settings.js").write_text(SETTINGS)


class World:
    def __init__(self, folder):
        self.folder = Path(folder)
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = sock.getsockname()[1]
        lay_out(self.folder, "4.17.4")
        (self.folder / "rebinding.json").write_text(json.dumps(REBINDING))
        (self.folder / "pilothouse.yaml").write_text(
            f"data_dir: data\nlisten: 127.0.0.1:{self.port}\nadmin: {{listen: 127.0.0.1:0}}\n"
            "servers:\n  settings: {command: node, args: [srv/server.js]}\n"
        )
        osv = ROOT / "tests/e2e/pollution/osv"
        code, out, err = self.vuln("db", "import", osv, "rebinding.json", "--db", "data/advisories")
        check("the advisories are taken", code == 0, out + err)
        self.log = (self.folder / "log").open("w")
        self.daemon = subprocess.Popen([BINARY, "run"], cwd=self.folder, stdout=self.log, stderr=self.log)

    def vuln(self, *args):
        done = subprocess.run([BINARY, "vuln", *map(str, args)], cwd=self.folder, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def json(self, *args):
        code, out, err = self.vuln(*args)
        try:
            return json.loads(out)
        except ValueError:
            raise SystemExit(f"vuln {' '.join(map(str, args))}: {code} {out}{err}\n{(self.folder / 'log').read_text()}") from None

    def close(self):
        self.daemon.terminate()
        self.daemon.wait(30)
        self.log.close()


def until(what, tries=240):
    """The first answer that is one, within a minute."""
    for _ in range(tries):
        answer = what()
        if answer:
            return answer
        time.sleep(0.25)
    return what()


def call(url, tool, arguments, client):
    """In a session of its own."""
    session = None
    info = {"name": client, "version": "1.0"}
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info}
    for message in (
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": {"name": tool, "arguments": arguments}},
    ):
        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if session:
            headers |= {"mcp-session-id": session, "mcp-protocol-version": "2025-06-18"}
        request = urllib.request.Request(url, json.dumps({"jsonrpc": "2.0", **message}).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            session = session or answer.headers["mcp-session-id"]
            text = answer.read().decode()
    return "blue" in text or "red" in text or "hello" in text, text


def near(world):
    """How near it is to a caller."""
    def found():
        listed = json.loads(world.vuln("list", "--json")[1] or "{}").get("vulnerabilities", [])
        return len(listed) == 2 and listed

    listed = until(found) or []
    check("a scan makes a case of each", len(listed) == 2, (world.folder / "log").read_text())
    case = world.json("show", "CVE-2018-16487", "--json")["exposure"]
    places = [(place["file"], place["line"], place["level"]) for place in case["places"]]
    check("the case says from which tool it is reached", case["level"] == "reachable", case)
    check("and at which line", ("settings.js", 6, "reachable") in places, places)
    check("and that nobody has called it", case["traffic"]["calls"] == 0, case["traffic"])
    other = world.json("show", "EXAMPLE-2026-1", "--json")["exposure"]
    check("what only servers of HTTP have is told, as a guess", "a guess" in other.get("transport", ""), other)
    check("and what is not about HTTP is not", "transport" not in case, case)
    url = f"http://127.0.0.1:{world.port}/mcp"
    for client, calls in (("inspector", 2), ("other", 1)):
        for _ in range(calls):
            is_right, text = call(url, "change_settings", {"patch": {"color": "red"}}, client)
            check("the tool answers", is_right, text)
    call(url, "hello", {}, "stranger")

    def seen():
        world.vuln("move", 1, "deployed")
        case = world.json("show", "CVE-2018-16487", "--json")["exposure"]
        return case["traffic"]["calls"] == 3 and case

    case = until(seen, 20) or {}
    check("calls make it seen", case.get("level") == "seen", case)
    clients = [(one["client"].split()[0].split("/")[0], one["calls"]) for one in case.get("traffic", {}).get("clients", [])]
    check("and say who called that tool", clients == [("inspector", 2), ("other", 1)], clients)
    code, out, err = world.vuln("show", "CVE-2018-16487")
    check("for people, too", "3 calls in 30 days: 2 by inspector" in out, out + err)
    code, out, _ = world.vuln("scan", "settings", "--format", "json", "--db", "data/advisories")
    rows = {one["advisory"]: one["exposure"]["level"] for one in json.loads(out)["findings"]}
    check("a scan by hand says the same", rows.get("CVE-2018-16487") == "seen", rows)


def statements(world):
    code, out, err = world.vuln("scan", "settings", "--format", "openvex", "--db", "data/advisories")
    document = json.loads(out) if out else {"statements": []}
    return document, {one["vulnerability"]["name"]: one for one in document["statements"]}


def keeps_the_rules(one):
    """What the specification asks for beside a status."""
    status = one["status"]
    if status == "not_affected":
        return ("justification" in one) != ("impact_statement" in one)
    return status in ("under_investigation", "fixed") or status == "affected" and bool(one["action_statement"])


def stands(world):
    """VEX says where cases stand, and no move to `deployed` is believed."""
    _, said = statements(world)
    check("VEX: nobody has judged it", said["CVE-2018-16487"]["status"] == "under_investigation", said)
    world.vuln("assess", "CVE-2018-16487", "--reason", "tool input reaches merge()")
    world.vuln("move", "EXAMPLE-2026-1", "dismiss", "--reason", "it has no HTTP", "--justification", "vulnerable_code_not_in_execute_path")
    document, said = statements(world)
    real, other = said["CVE-2018-16487"], said["EXAMPLE-2026-1"]
    check("VEX: affected, with what to do", (real["status"], real["action_statement"]) == ("affected", "Update npm/lodash to 4.17.11."), real)
    check("VEX: not affected, with the justification", (other["status"], other.get("justification")) == ("not_affected", "vulnerable_code_not_in_execute_path"), other)
    check("VEX: each keeps the rules of OpenVEX", all(keeps_the_rules(one) for one in said.values()), said)
    code, out, _ = world.vuln("scan", "settings", "--format", "cyclonedx-vex", "--db", "data/advisories")
    problems = JsonStrictValidator(SchemaVersion.V1_6).validate_str(out)
    states = {one["id"]: one["analysis"]["state"] for one in json.loads(out)["vulnerabilities"]}
    check("CycloneDX: the same, and its schema", problems is None and states == {"CVE-2018-16487": "exploitable", "EXAMPLE-2026-1": "not_affected"}, (problems, states))
    code, out, err = world.vuln("move", "CVE-2018-16487", "deployed")
    check("the old version: refused with version, place and what to do", code != 0 and "finds npm/lodash 4.17.4 (node_modules/lodash): install 4.17.11" in err, err)
    lay_out(world.folder, "4.17.21")
    code, out, err = world.vuln("move", "CVE-2018-16487", "deployed")
    check("a process that was not restarted: refused, and says so", code != 0 and "goes on with what it has loaded: `pilothouse restart settings`" in err, err)
    subprocess.run([BINARY, "restart", "settings"], cwd=world.folder, capture_output=True, timeout=60)
    until(lambda: world.vuln("move", "CVE-2018-16487", "deployed")[0] == 0, 60)
    state = world.json("show", "CVE-2018-16487", "--json")["state"]
    check("after a restart it is deployed", state == "deployed", world.vuln("move", "CVE-2018-16487", "deployed"))
    document, said = statements(world)
    check("VEX: fixed, in the version that is there", said.get("CVE-2018-16487", {}).get("status") == "fixed" and "lodash@4.17.21" in json.dumps(said), said)
    (world.folder / "vex.json").write_text(json.dumps(document))
    _, products, read = OpenVEXParser().parse(str(world.folder / "vex.json"))
    states = {one["id"]: one["status"] for one in read}
    wanted = {name: one["status"] for name, one in said.items()}
    check("OpenVEX: a reader that is not ours reads the same", states == wanted and list(products) == ["settings"], (products, read))


def main():
    if not shutil.which("node"):
        check("there is node", False)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder)
        try:
            near(world)
            stands(world)
        finally:
            world.close()
    failed = checks.count(False)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed or not checks else 0


if __name__ == "__main__":
    sys.exit(main())
