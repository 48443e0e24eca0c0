#!/usr/bin/env python3
"""An MCP server on stdio of known appetite: `eater.py CORES MIB REPORTS`.

One thread burns so many cores, by its own CPU clock; the process holds so much resident memory. Each second it
writes to a file in REPORTS what the kernel says of it: wall time, CPU seconds, resident bytes.
"""

import contextlib
import json
import os
import resource
import sys
import threading
import time

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * PAGE


def hold(wanted: int) -> list[bytearray]:
    """Blocks of 1 MiB with something in each page, until the process has `wanted` resident bytes."""
    blocks = []
    while resident() < wanted:
        block = bytearray(1 << 20)
        block[::PAGE] = b"\x01" * len(block[::PAGE])
        blocks.append(block)
    return blocks


def burn(cores: float) -> None:
    if cores:
        # What is eaten is to be known also on a machine that builds something beside it.
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, -10)
    began, spent = time.monotonic(), time.process_time()
    while True:
        # A machine that is busy makes it fall behind; then it eats more, until it is where it should be.
        behind = (time.monotonic() - began) * cores - (time.process_time() - spent)
        if behind <= 0:
            time.sleep(0.005)
            continue
        until = time.process_time() + min(behind, 0.02)
        while time.process_time() < until:
            pass


def report(folder: str) -> None:
    with open(os.path.join(folder, str(os.getpid())), "w") as lines:
        while True:
            use = resource.getrusage(resource.RUSAGE_SELF)
            print(time.time(), use.ru_utime + use.ru_stime, resident(), file=lines, flush=True)
            time.sleep(1)


def serve() -> None:
    for line in sys.stdin:
        call = json.loads(line)
        if "id" not in call or "method" not in call:
            continue
        result = {}
        if call["method"] == "initialize":
            result = {
                "protocolVersion": call["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "eater", "version": "1"},
            }
        elif call["method"] == "tools/list":
            result = {"tools": []}
        print(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}), flush=True)


def main() -> None:
    cores, mib, path = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    held = hold(int(mib * (1 << 20)))
    for work in [(burn, cores), (report, path)]:
        threading.Thread(target=work[0], args=work[1:], daemon=True).start()
    serve()
    del held


main()
