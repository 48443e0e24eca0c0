"""What the records must say, and what they say: /metrics and combined.log, before and after a case."""

import time
from collections import Counter

RECORDS_S = 10


class Expected:
    """The records that a case must leave: by method (None: unknown), and tool calls by outcome."""

    def __init__(self, sent, outcomes):
        self.sent, self.outcomes = sent, outcomes


class Seen:
    """What the records say at one moment."""

    def __init__(self, house):
        lines = house.call_lines()
        tools = [line for line in lines if line["method"] == "tools/call"]
        self.metric_methods = house.total("mcp_requests_total", "method")
        self.metric_outcomes = house.total("mcp_tool_calls_total", "outcome")
        self.log_methods = Counter(line["method"] for line in lines)
        self.log_outcomes = Counter(line["outcome"] for line in tools)
        self.cancelled = [line for line in lines if line["outcome"] in ("cancelled", "client_gone")]

    def since(self, before):
        return {
            "metrics by method": self.metric_methods - before.metric_methods,
            "log lines by method": self.log_methods - before.log_methods,
            "metrics by outcome": fold(self.metric_outcomes - before.metric_outcomes),
            "log lines by outcome": fold(self.log_outcomes - before.log_outcomes),
        }


def fold(outcomes):
    """A modern client cancels by closing its side, and may be called gone for it."""
    folded = Counter(outcomes)
    if gone := folded.pop("client_gone", 0):
        folded["cancelled"] += gone
    return folded


def check_records(house, before, expected):
    """One record per request, the same in the metrics and in the log, with the outcomes of the table."""

    def wrong():
        found = Seen(house).since(before)
        bad = []
        if expected.sent is not None:
            for key in ("metrics by method", "log lines by method"):
                if found[key] != Counter(expected.sent):
                    bad.append(f"{key}: {dict(found[key])}, on the wire: {dict(expected.sent)}")
        elif found["metrics by method"] != found["log lines by method"]:
            bad.append(f"metrics {dict(found['metrics by method'])}, log lines {dict(found['log lines by method'])}")
        if expected.outcomes is not None:
            for key in ("metrics by outcome", "log lines by outcome"):
                if found[key] != expected.outcomes:
                    bad.append(f"tool calls, {key}: {dict(found[key])}, expected: {dict(expected.outcomes)}")
        return bad

    end = time.monotonic() + RECORDS_S
    while (bad := wrong()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not bad, "\n  ".join(["the records say:", *bad])
    for line in Seen(house).cancelled:
        assert line["status"] == 499, f"a cancelled call's status: {line}"
