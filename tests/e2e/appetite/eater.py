#!/usr/bin/env python3
"""An MCP server on stdio of known appetite: `eater.py CORES MIB REPORTS [LEAK]`.

One thread burns so many cores, by its own CPU clock; the process holds so much resident memory, and takes LEAK MiB more
each second. Each second it writes to a file in REPORTS what the kernel says of it: wall time, CPU seconds, resident
bytes. Its tool `echo` answers; its tool `gorge` starts two processes that hold 70 MiB each, and does not answer.
"""

import contextlib
import json
import os
import resource
import subprocess
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


def leak(mib: float) -> None:
    blocks, began = [], time.monotonic()
    while True:
        if len(blocks) < (time.monotonic() - began) * mib:
            block = bytearray(1 << 20)
            block[::PAGE] = b"\x01" * len(block[::PAGE])
            blocks.append(block)
        else:
            time.sleep(0.1)


HOARDER = "import time; held = bytearray(b'x') * (70 << 20); time.sleep(600)"


def gorge() -> None:
    for _ in range(2):
        subprocess.Popen([sys.executable, "-c", HOARDER], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


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
        if call["method"] == "tools/call":
            if call["params"]["name"] == "gorge":
                gorge()
                continue
            result = {"content": [{"type": "text", "text": call["params"]["arguments"]["text"]}]}
        if call["method"] == "initialize":
            result = {
                "protocolVersion": call["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "eater", "version": "1"},
            }
        elif call["method"] == "tools/list":
            result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "gorge")]}
        print(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}), flush=True)


def main() -> None:
    cores, mib, path = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    leaked = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
    held = hold(int(mib * (1 << 20)))
    for work in [(burn, cores), (report, path), *([(leak, leaked)] if leaked else [])]:
        threading.Thread(target=work[0], args=work[1:], daemon=True).start()
    serve()
    del held


main()
