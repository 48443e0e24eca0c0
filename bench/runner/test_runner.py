"""python3 -m unittest discover -s bench"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runner import account, processes, scenarios, tables  # noqa: E402

METRICS = """# TYPE mcp_requests_total counter
mcp_requests_total{server="bench",method="initialize",tool="",status="200"} 16
mcp_requests_total{server="bench",method="tools/call",tool="echo",status="200"} 1.5e+03
mcp_requests_total{server="bench",method="tools/call",tool="a \\"b\\"",status="404"} 2
pilothouse_records_dropped_total 3
mcp_tool_calls_total{server="bench",tool="echo",outcome="ok"} 9
"""


def serve_metrics(test: unittest.TestCase) -> str:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(METRICS.encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    test.addCleanup(server.server_close)
    test.addCleanup(server.shutdown)
    return f"http://127.0.0.1:{server.server_port}"


class Account(unittest.TestCase):
    def test_requests_are_added_up_by_method(self):
        self.assertEqual(account.metric_counts(serve_metrics(self)), {"initialize": 16, "tools/call": 1502})

    def test_a_counter_without_labels_and_one_that_is_missing(self):
        base = serve_metrics(self)
        self.assertEqual(account.total(base, "pilothouse_records_dropped_total"), 3)
        self.assertEqual(account.total(base, "pilothouse_spans_dropped_total"), 0)

    def test_only_lines_of_calls_count_and_rotated_files_too(self):
        with tempfile.TemporaryDirectory() as directory:
            logs = Path(directory)
            (logs / "combined.log").write_text('{"method":"tools/call","outcome":"ok"}\n{"message":"started"}\n')
            (logs / "combined-1.log").write_text('{"method":"initialize","outcome":"ok"}\n')
            # It is being compressed just now.
            (logs / "combined-1.log.zst").write_bytes(b"\xb5 not for reading")
            (logs / "combined-1.log.zst.tmp").write_bytes(b"\xb5 not for reading")
            (logs / "error.log").write_text('{"method":"tools/call","outcome":"timeout"}\n')
            self.assertEqual(account.log_counts(logs), {"tools/call": 1, "initialize": 1})


class Processes(unittest.TestCase):
    def test_cpu_clock_of_another_process_runs_with_its_work(self):
        burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        self.addCleanup(burner.wait)
        self.addCleanup(burner.kill)
        first = processes.cpu_seconds([burner.pid])
        while processes.cpu_seconds([burner.pid]) < first + 0.05:
            self.assertIsNone(burner.poll())
        self.assertEqual(processes.cpu_seconds([2**22 - 1]), 0.0)

    def test_tree_has_descendants(self):
        child = subprocess.Popen(["sleep", "60"])
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.assertLessEqual({os.getpid(), child.pid}, set(processes.tree(os.getpid())))
        self.assertGreater(processes.rss_peak_mib([os.getpid()]), 1.0)


class Figures(unittest.TestCase):
    ROUNDS = [
        {"nginx": {"cpu_us_per_call": 10.0}, "pilothouse": {"cpu_us_per_call": cpu}, "direct": {"cpu_us_per_call": None}}
        for cpu in (14.0, 13.0, 90.0)
    ]

    def test_a_promise_is_the_median_of_the_rounds(self):
        kept = scenarios.ECHO[0].verdict(self.ROUNDS)
        self.assertEqual((kept["got"], kept["kept"]), (1.4, True))
        missed = scenarios.Promise("calls", 2.0, scenarios.ratio("cpu_us_per_call", "pilothouse", "nginx"), at_least=True)
        self.assertFalse(missed.verdict(self.ROUNDS)["kept"])

    def test_medians_keep_what_was_not_measured(self):
        median = tables.medians(self.ROUNDS)
        self.assertEqual(median["pilothouse"]["cpu_us_per_call"], 14.0)
        self.assertIsNone(median["direct"]["cpu_us_per_call"])


if __name__ == "__main__":
    unittest.main()
