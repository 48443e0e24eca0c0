#!/usr/bin/env python3
"""The same commands of amtool against Pilothouse and against Debian's Alertmanager, with the same routes: what
they print, and how they end, is the same, but for ids and times."""

import json
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "rules"))
from houses import BINARY, Alertmanager, Pilothouse, Tally, admin, amtool, needed  # noqa: E402

ROUTE = {
    "receiver": "ops",
    "group_by": ["alertname"],
    "group_wait": "10m",
    "routes": [
        {"receiver": "chat", "matchers": ['severity="critical"'], "continue": True},
        {"receiver": "blue", "matchers": ['team=~"blue|navy"'], "group_by": ["..."]},
    ],
}
INHIBIT = {"source_matchers": ['severity="critical"'], "target_matchers": ['severity="warning"'], "equal": ["server"]}
RECEIVERS = ("blue", "chat", "ops")
NOBODY = "http://127.0.0.1:9/"

# What is done, one after the other. `@1` is the id that the first `silence add` printed, `FILE` a file.
COMMANDS = [
    "alert add alertname=Fire severity=critical server=one --annotation=summary=hot --generator-url=http://g/x",
    "alert add alertname=Smoke severity=warning server=one",
    "alert add alertname=Smoke severity=warning server=two team=navy",
    "alert add Old server=two --end=2020-01-01T00:00:00Z",
    "alert add server=only --start=2026-01-01T00:00:00Z --end=2040-01-01T00:00:00Z",
    "alert add a-b=c",
    "alert query",
    "alert query -o extended",
    "alert query -o json",
    "alert query Smoke",
    "alert query severity=~crit.* -o json",
    "alert query server!=one -o simple",
    "alert query --receiver=blue",
    "alert query -i",
    "alert query -a -o json",
    "alert query nonsense=~(",
    "silence add alertname=Smoke server=~t.* --author=me --comment=known --duration=10m",
    "silence add alertname!=Smoke team!~a|b server=one --author=me --comment=later --start=2040-01-01T00:00:00Z --end=2040-01-02T00:00:00Z",
    "silence add --author=me --comment=all alertname=~.*",
    "silence add --author=me --comment=back alertname=x --start=2030-01-02T00:00:00Z --end=2030-01-01T00:00:00Z",
    "silence query",
    "silence query -o extended",
    "silence query -o json",
    "silence query alertname=Smoke",
    "silence query server=~t.*",
    "silence query --created-by=you",
    "silence query -q",
    "alert query",
    "alert query -s -o json",
    "silence update --duration=20m --comment=longer @1",
    "silence query @1",
    "silence query -o json > FILE",
    "silence expire @1",
    "silence expire @1",
    "silence expire nonsense",
    "silence query --expired",
    "silence import FILE",
    "silence query",
    "alert query -s",
    "config routes show",
    "config routes test severity=critical team=blue",
    "config routes test severity=critical team=blue --verify.receivers=chat,blue",
    "config routes test x=y --verify.receivers=chat",
    "cluster show",
]
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"20(?:2[4-9]|3\d)-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| UTC)")
# Years that the commands name, which are not of now.
FIXED = re.compile(r"20(?:20|40)-|2026-01-01")


class Side:
    def __init__(self, url, file):
        self.url, self.file, self.ids = url, file, []

    def do(self, command):
        words, _, into = command.partition(" > ")
        words = [self.word(word) for word in words.split()]
        code, out, said = amtool(self.url, *words)
        if into:
            self.file.write_text(out)
        if words[:2] == ["silence", "add"] and code == 0:
            self.ids.append(out.strip())
        said = [line for line in said.splitlines() if line.strip()]
        return code, steady(words, out), said

    def word(self, word):
        if word == "FILE":
            return str(self.file)
        return self.ids[int(word[1:]) - 1] if word.startswith("@") else word


def steady(words, out):
    """Without what is of this run: ids, and times of now. The order of equals is nobody's promise."""
    if "json" in words:
        listed = json.loads(out)
        for one in listed:
            for field in ("id", "updatedAt"):
                one.pop(field, None)
            for matchers in (one.get("matchers"),):
                matchers and matchers.sort(key=lambda matcher: matcher["name"])
            if one.get("status", {}).get("silencedBy"):
                one["status"]["silencedBy"] = len(one["status"]["silencedBy"])
        texts = [time_free(json.dumps(one, sort_keys=True)) for one in listed]
        return sorted(texts)
    lines = [re.sub(r" +", " ", time_free(UUID.sub("ID", line))).strip() for line in out.splitlines()]
    return sorted(line for line in lines if line)


def time_free(text):
    return TIME.sub(lambda match: match[0] if FIXED.match(match[0]) else "TIME", text)


def main():
    needed("prometheus-alertmanager", "amtool")
    tally = Tally()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        hooks = [{"name": name, "webhook_configs": [{"url": NOBODY}]} for name in RECEIVERS]
        theirs = Alertmanager(folder, {"route": ROUTE, "inhibit_rules": [INHIBIT], "receivers": hooks}).ready()
        plan = {
            "servers": {"one": {"url": "http://127.0.0.1:9/mcp"}},
            "rules": {"enabled": "never"},
            "notify": {
                "receivers": {name: {"webhook": {"url": NOBODY}} for name in RECEIVERS},
                "route": ROUTE,
                "inhibit": [INHIBIT],
            },
        }
        config = folder / "pilothouse.yaml"
        config.write_text(json.dumps(plan))
        house = Pilothouse(BINARY, folder, ["--config", str(config)])
        try:
            house.wait("/livez")
            compare(tally, Side(admin(house), folder / "ours.json"), Side(theirs.url, folder / "theirs.json"))
            tally.check(not (wrong := house.stop()), f"it stops: {wrong}")
        finally:
            house.kill()
            theirs.end()
    sys.exit(tally.end())


def compare(tally, ours, theirs):
    for command in COMMANDS:
        (code, out, said), (their_code, their_out, their_said) = ours.do(command), theirs.do(command)
        same = (code, out) == (their_code, their_out) and bool(said) == bool(their_said)
        what = f"amtool {command}\n  ours   {code} {out} {said}\n  theirs {their_code} {their_out} {their_said}"
        tally.check(same, what) and print(f"ok      amtool {command}")


if __name__ == "__main__":
    main()
