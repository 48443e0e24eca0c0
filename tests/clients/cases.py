"""The table: which servers there are, which clients drive them, and what must come back.

A step says what to do (`do` and its fields), what the answer must be (`want`), and for a tool call what the
record must say (`outcome`; one per JSON-RPC request, so two where the server asks back and is asked again).
In `want`, `key` is equality, `key~` is "contains", `key^` is "starts with", `key>=` is a lower bound."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEPS = HERE.parents[1] / ".deps/clients"
NODE = str(DEPS / "node_modules/.bin/node")
NPM = DEPS / "node_modules/@modelcontextprotocol"
MANY = 40
TEXT = "Plain sailing: ünïcödé, \"quotes\" and a 🚢"


def venv(name, program):
    return str(DEPS / f"venv-{name}/bin" / program)


@dataclass
class Server:
    """One server. `command` is its argument list; `http` the path it serves when started with a port."""

    name: str
    command: list
    modern: bool
    steps: list
    # The path of its HTTP form and how that is started.
    http: str | None = None
    http_command: list = field(default_factory=list)
    # All clients also come at once.
    busy: bool = False
    # The clients are asked for their roots as soon as they are connected.
    roots: bool = False
    # Only these (client/mode); empty: all.
    clients: tuple = ()


def step(do, want=None, outcome=None, **fields):
    if outcome is None:
        outcome = {"call": ["ok"], "cancel": ["cancelled"]}.get(do, [])
    return {"do": do, **fields, "want": want or {}, "outcome": outcome}


def call(name, args=None, want=None, outcome=None):
    return step("call", want, outcome, name=name, args=args or {})


def progress(client, reports=(1, 2, 3, 4, 5)):
    """These reports, the first one well before the answer: nothing held them back."""
    # The TypeScript and Rust clients may lose a report that is read together with the answer, as they do without us.
    every = {"progress": [*reports]} if client in ("py", "fastmcp") else {"progress^": [*reports[:-1]]}
    return every | {"progress_ahead_ms>=": 250}


def many(tool, argument, prefix=""):
    """Calls at the same time over one connection: each gets its own answer."""
    return step("many", {"good": MANY, "bad": []}, ["ok"] * MANY, name=tool, argument=argument, prefix=prefix, count=MANY)


def everything(client, era):
    """All that server-everything offers to this client."""
    steps = [
        step("list_tools", {"names~": "trigger-long-running-operation"}),
        call("echo", {"message": TEXT}, {"text": f"Echo: {TEXT}", "is_error": False}),
        many("echo", "message", "Echo: "),
        call("get-sum", {"a": 19, "b": 23}, {"text~": "42"}),
        call("get-structured-content", {"location": "Chicago"}, {"structured~": "temperature"}),
        call("trigger-long-running-operation", {"duration": 0.5, "steps": 5}, progress(client)),
        call("trigger-sampling-request", {"prompt": "why"}, {"text~": "parrot says: Resource"}),
        call("trigger-elicitation-request", {}, {"text~": "Name: Ada Lovelace"}),
        step(
            "cancel",
            {"cancelled": True},
            name="trigger-long-running-operation",
            args={"duration": 60, "steps": 240},
        ),
        # The session must not have been hurt by that.
        call("echo", {"message": "still here"}, {"text": "Echo: still here"}),
        # An unknown tool is a result with isError or a JSON-RPC error, by the SDK's release.
        call("no-such-tool", {}, {"text~": "no-such-tool"}, ["tool_error"]),
        step("list_prompts", {"names~": "args-prompt"}),
        step(
            "get_prompt",
            {"text": "What's weather in Kiel, Holstein?"},
            name="args-prompt",
            args={"city": "Kiel", "state": "Holstein"},
        ),
        step(
            "complete",
            {"values~": "Engineering"},
            ref={"type": "ref/prompt", "name": "completable-prompt"},
            argument={"name": "department", "value": "E"},
        ),
        step("list_resources", {"uris~": "demo://resource/static/document/architecture.md"}),
        step("list_templates", {"uris~": "demo://resource/dynamic/text/{resourceId}"}),
        step("read_resource", {"text~": "Resource 7"}, uri="demo://resource/dynamic/text/7"),
        step("ping", {"result": {}}),
        # What the server says on its own comes on the session's own stream.
        step("wait_stream"),
        call("gzip-file-as-resource", GZIP, {"is_error": False}),
        step("wait_note", method="notifications/resources/list_changed"),
        step("subscribe", {"result": {}}, uri="demo://resource/dynamic/text/1"),
        call("toggle-subscriber-updates", {}, {"text~": "Started"}),
        step("wait_note", method="notifications/resources/updated", uri="demo://resource/dynamic/text/1"),
        call("toggle-subscriber-updates", {}, {"text~": "Stopped"}),
        step("unsubscribe", {"result": {}}, uri="demo://resource/dynamic/text/1"),
    ]
    return steps


def shared(client, era):
    """What server-everything does for several sessions in one process, while others do the same."""
    # Its simulated updates are one switch for the whole process, so no client throws it here.
    steps = [
        step("list_tools", {"names~": "trigger-long-running-operation"}),
        call("echo", {"message": TEXT}, {"text": f"Echo: {TEXT}", "is_error": False}),
        many("echo", "message", "Echo: "),
        call("trigger-long-running-operation", {"duration": 0.5, "steps": 5}, progress(client)),
        # A report that comes late is not to be taken for one of the call that is cancelled.
        call("get-sum", {"a": 19, "b": 23}, {"text~": "42"}),
        call("get-structured-content", {"location": "Chicago"}, {"structured~": "temperature"}),
        step(
            "cancel",
            {"cancelled": True},
            name="trigger-long-running-operation",
            args={"duration": 60, "steps": 240},
        ),
        call("echo", {"message": "still here"}, {"text": "Echo: still here"}),
        call("no-such-tool", {}, {"text~": "no-such-tool"}, ["tool_error"]),
        step("list_prompts", {"names~": "args-prompt"}),
        step("read_resource", {"text~": "Resource 7"}, uri="demo://resource/dynamic/text/7"),
        step("ping", {"result": {}}),
        step("wait_stream"),
        step("subscribe", {"result": {}}, uri="demo://resource/dynamic/text/1"),
        call("trigger-long-running-operation", {"duration": 0.5, "steps": 5}, progress(client)),
        step("unsubscribe", {"result": {}}, uri="demo://resource/dynamic/text/1"),
    ]
    return steps


GZIP = {"name": "note.gz", "data": "data:text/plain;base64,QWhveQ==", "outputType": "resourceLink"}


def roots_and_tasks(client, era):
    """What server-everything asks and answers besides: the client's roots, and a call that becomes a task."""
    steps = [
        step("wait_asked", method="roots/list"),
        call("get-roots-list", {}, {"text~": "file:///srv/harbour"}),
    ]
    if client == "ts1":
        # Only this client has words for the tasks of 2025-11-25.
        args = {"topic": "tides"}
        steps.append(step("task", {"text~": "Research Report: tides"}, ["task"], name="simulate-research-query", args=args))
    return steps


def dual(client, era):
    """What our server on the official Python SDK offers, in the era that the client negotiates."""
    asks = ["input_required", "ok"] if era == "modern" else ["ok"]
    steps = [
        step("list_tools", {"names": ["echo", "slow", "greet", "think", "grow", "touch"]}),
        call("echo", {"text": TEXT}, {"text": f"dual: {TEXT}"}),
        many("echo", "text", "dual: "),
        call("slow", {"seconds": 0.5, "steps": 5}, progress(client)),
        call("greet", {}, {"text": "hello Ada Lovelace"}, asks),
        call("think", {"question": "why"}, {"text": "the model says: parrot says: why"}, asks),
        step("cancel", {"cancelled": True}, name="slow", args={"seconds": 60, "steps": 240}),
        call("echo", {"text": "still here"}, {"text": "dual: still here"}),
        step("list_prompts", {"names": ["hail"]}),
        step("get_prompt", {"text": "Ahoy, Gorch Fock!"}, name="hail", args={"ship": "Gorch Fock"}),
        step("read_resource", {"text": "red, right, returning"}, uri="harbour://buoy"),
    ]
    if era == "modern":
        wanted = {"toolsListChanged": True, "resourceSubscriptions": ["harbour://buoy"]}
        steps += [
            step("listen", filter=wanted),
            call("grow", {}, {"text": "grown"}),
            step("wait_note", method="notifications/tools/list_changed"),
            call("touch", {}, {"text": "touched"}),
            step("wait_note", method="notifications/resources/updated", uri="harbour://buoy"),
            step("unlisten"),
        ]
    else:
        steps += [
            step("wait_stream"),
            call("grow", {}, {"text": "grown"}),
            step("wait_note", method="notifications/tools/list_changed"),
            step("ping", {"result": {}}),
        ]
    return steps


def workbench(client, era):
    """Our own server, on rmcp."""
    return [
        step("list_tools", {"names~": "searchFiles"}),
        call("echo", {"text": TEXT}, {"text": TEXT, "structured": {"text": TEXT}}),
        many("echo", "text"),
        call("sleep", {"ms": 500}, progress(client, (0, 100, 200, 300, 400, 500))),
        call("fail", {"message": "man overboard"}, {"is_error": True, "text": "man overboard"}, ["tool_error"]),
        step("cancel", {"cancelled": True}, name="sleep", args={"ms": 60_000}, after_ms=300),
        step("list_prompts", {"names": ["investigate"]}),
        step("list_resources", {"uris": ["workbench://about"]}),
        step("read_resource", {"text~": "searchFiles"}, uri="workbench://about"),
    ]


def servers(scratch: Path, binary: str):
    """Every server, with its files under `scratch`; `binary` is Pilothouse, for its workbench."""
    harbour = scratch / "harbour"
    harbour.mkdir()
    (harbour / "log.txt").write_text(TEXT)
    big = "".join(f"{line}: ünïcödé 🚢\n" for line in range(60_000))
    (harbour / "big.txt").write_text(big)
    git = ["git", "-C", str(harbour), "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "log.txt"], ["commit", "-q", "-m", "Cast off"]):
        subprocess.run(git + command, check=True, env=os.environ | {"GIT_CONFIG_GLOBAL": "/dev/null"})
    repo = {"repo_path": str(harbour)}
    utc = {"timezone": "UTC"}
    sqlite = ["--db-path", str(scratch / "ship.db")]
    everything_js = str(NPM / "server-everything/dist/index.js")
    table = {"query": "CREATE TABLE crew (name TEXT)"}
    return [
        Server(
            "server-everything",
            [NODE, everything_js],
            False,
            everything,
            http="/mcp",
            http_command=[NODE, everything_js, "streamableHttp"],
            busy=True,
        ),
        Server(
            "server-everything roots",
            [NODE, everything_js],
            False,
            roots_and_tasks,
            roots=True,
            clients=("ts1/legacy", "ts2/default", "py/auto", "fastmcp/auto"),
        ),
        Server("dual-server", [venv("clients", "python"), str(HERE / "dual_server.py")], True, dual, busy=True),
        Server("workbench", [binary, "workbench"], True, workbench, busy=True),
        Server(
            "server-filesystem",
            [NODE, str(NPM / "server-filesystem/dist/index.js"), str(harbour)],
            False,
            [
                step("list_tools", {"names~": "read_text_file"}),
                call("read_text_file", {"path": str(harbour / "log.txt")}, {"text": TEXT, "structured": {"content": TEXT}}),
                # 1.4 MB, twice in one answer (content and structuredContent).
                call("read_text_file", {"path": str(harbour / "big.txt")}, {"text": big}),
                call("read_text_file", {"path": "/etc/hostname"}, {"is_error": True}, ["tool_error"]),
            ],
        ),
        Server(
            "server-memory",
            ["env", f"MEMORY_FILE_PATH={scratch}/memory.json", NODE, str(NPM / "server-memory/dist/index.js")],
            False,
            [
                step("list_tools", {"names~": "read_graph"}),
                call("read_graph", {}, {"text~": "entities"}),
            ],
        ),
        Server(
            "mcp-server-git",
            [venv("servers", "mcp-server-git"), "--repository", str(harbour)],
            True,
            [
                step("list_tools", {"names~": "git_status"}),
                call("git_log", repo, {"text~": "Cast off"}),
            ],
        ),
        Server(
            "mcp-server-time",
            [venv("servers", "mcp-server-time")],
            True,
            [
                step("list_tools", {"names": ["get_current_time", "convert_time"]}),
                call("get_current_time", utc, {"text~": "UTC"}),
            ],
        ),
        Server(
            "mcp-server-fetch",
            [venv("servers", "mcp-server-fetch")],
            True,
            [
                step("list_tools", {"names": ["fetch"]}),
                # It refuses the loopback by itself: the tool's own error, not ours.
                call("fetch", {"url": "http://127.0.0.1:9/"}, {"is_error": True}, ["tool_error"]),
                step("list_prompts", {"names": ["fetch"]}),
            ],
        ),
        Server(
            "mcp-server-sqlite",
            [venv("sqlite-mcp1", "mcp-server-sqlite"), *sqlite],
            False,
            [
                step("list_tools", {"names~": "list_tables"}),
                call("create_table", table, {"text~": ""}, ["ok"]),
                call("list_tables", {}, {"text~": "crew"}),
                step("list_resources", {"uris~": "memo://insights"}),
            ],
        ),
    ]


# It says a secret before it dies, as programs do that print their settings.
SECRET = "sk-live-0123456789abcdef"
CRASHER = [
    "sh",
    "-c",
    f"echo 'api_key={SECRET}' >&2; exec \"$0\" \"$@\"",
    venv("sqlite-mcp2", "mcp-server-sqlite"),
    "--db-path",
    "/dev/null",
]



def sharing():
    """server-everything, whose sessions all share one process; and how it is configured."""
    command = [NODE, str(NPM / "server-everything/dist/index.js")]
    server = Server("everything", command, False, shared, busy=True)
    # These clients all declare that they can be asked.
    upstream = {"command": NODE, "args": command[1:], "isolation": "shared_by_all"}
    return server, json.dumps({"servers": {"everything": upstream}})


def limited(binary, status):
    """The workbench with a limit that the second call of `echo` meets."""
    limit = {"tools": ["echo"], "daily": 1, "refuse_with": status}
    workbench = {"command": binary, "args": ["workbench"]}
    return json.dumps({"limits": {"echo": limit}, "servers": {"workbench": workbench}})


LIMITED = "too many requests: echo 1/day for client 127.0.0.1, retry after"
# The second is refused; the third shows that the session lives.
LIMITED_STEPS = [
    {"do": "call", "name": "echo", "args": {"text": "one"}},
    {"do": "call", "name": "echo", "args": {"text": "two"}, "may_fail": True},
    {"do": "call", "name": "sleep", "args": {"ms": 1}},
]


def ruled(upstream, status):
    """A server of which two tools may be seen and called. `upstream`: how it is reached."""
    access = {"refuse_with": status, "rules": [{"allow": {"tools": ["echo", "sleep"]}}]}
    return json.dumps({"access": access, "servers": {"workbench": upstream}})


FORBIDDEN = "forbidden: tool searchFiles on server workbench for client 127.0.0.1, no rule allows it"
RULED_STEPS = [
    {"do": "list_tools"},
    {"do": "list_resources"},
    {"do": "call", "name": "echo", "args": {"text": "one"}},
    {"do": "call", "name": "searchFiles", "args": {"query": "x"}, "may_fail": True},
    {"do": "call", "name": "sleep", "args": {"ms": 1}},
]

# Driver, client, mode. "default" is what a user gets who sets nothing.
CLIENTS = [
    ("mjs", "ts1", "legacy"),
    ("mjs", "ts2", "default"),
    ("mjs", "ts2", "auto"),
    ("mjs", "ts2", "modern"),
    ("py", "py", "legacy"),
    ("py", "py", "auto"),
    ("py", "py", "modern"),
    ("py", "fastmcp", "auto"),
    ("rmcp", "rmcp", "legacy"),
    ("rmcp", "rmcp", "auto"),
    ("rmcp", "rmcp", "modern"),
]
INSPECTOR = ["legacy", "auto", "modern"]


def era_of(server, mode):
    """The era that `mode` leads to; `None` where the two cannot meet (bridging is a later round)."""
    if mode == "modern":
        return "modern" if server.modern else None
    return "modern" if mode == "auto" and server.modern else "legacy"


def steps_for(server, client, era):
    steps = server.steps(client, era) if callable(server.steps) else server.steps
    names = [step["do"] for step in steps]
    if client == "rmcp" and "wait_stream" in names:
        # It does not say when its event stream is open, so nothing that depends on it can be awaited.
        steps = steps[: names.index("wait_stream")]
    return steps
