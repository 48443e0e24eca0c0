"""`pilothouse top` in a real terminal, which is tmux: opened, walked down to a trace by keys, made small, and ended in
every way; each time the terminal has to be as it was."""

import http.client
import json
import os
import re
import signal
import subprocess
import time

PATIENCE_S = 30


class Terminal:
    """A shell in a tmux of its own."""

    def __init__(self, folder, width, height):
        self.folder = folder
        self.socket = str(folder / f"tmux-{width}")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, "env PS1='ready> ' sh")
        self.until(lambda text: "ready>" in text, "a prompt")

    def tmux(self, *words):
        command = ["tmux", "-S", self.socket, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TERM": "xterm-256color"})
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def line(self, text):
        self.tmux("send-keys", "-l", text)
        self.keys("Enter")

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def until(self, holds, what):
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            text = self.screen()
            if holds(text):
                return text
        raise AssertionError(f"{what} was not seen:\n{text}")

    def sees(self, pattern):
        return self.until(lambda text: re.search(pattern, text, re.M), pattern)

    def prompt(self):
        """The shell waits again."""
        return self.until(lambda text: text.rstrip().endswith("\nready>"), "a prompt")

    def state(self):
        """What a program can spoil: the line discipline, the alternate screen, the cursor."""
        file = self.folder / "stty"
        file.unlink(missing_ok=True)
        self.keys("C-u")
        self.line(f"stty -g > {file}.new; mv {file}.new {file}")
        give_up = time.monotonic() + PATIENCE_S
        while not file.exists():
            assert time.monotonic() < give_up, f"the shell is gone:\n{self.screen()}"
        flags = self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}")
        return file.read_text(), flags

    def close(self):
        self.tmux("kill-server")


class Daemon:
    """Pilothouse in front of its own server, which was called."""

    def __init__(self, package):
        self.folder = package.folder / "top"
        self.folder.mkdir(exist_ok=True)
        self.program = package.program
        self.data = self.folder / "data"
        config = self.folder / "pilothouse.yaml"
        config.write_text(
            "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nstore: {sample_interval: 1s}\nlog: {params: true}\n"
            f"servers:\n  bench: {{command: {self.program}, args: [workbench, --root, {package.root}/usr/share/man]}}\n"
        )
        command = [self.program, "run", "--config", config, "--data-dir", self.data]
        self.process = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True)
        said = ""
        while "admin" not in said:
            said += self.process.stderr.readline()
        self.address = re.search(r"bench +http://([^/]*)/mcp", said)[1]

    def call(self, tool, arguments):
        """One call of the stateless protocol."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "suite", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": {"name": tool, "arguments": arguments, "_meta": meta}}
        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream",
                   "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": tool}
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE_S)
        connection.request("POST", "/mcp", json.dumps(body), headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        connection.close()

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE_S)


def top_by_keys(package):
    daemon = Daemon(package)
    terminal = Terminal(daemon.folder, 100, 30)
    try:
        before = terminal.state()
        terminal.line(f"{daemon.program} top --data-dir {daemon.data}")
        terminal.sees(r"^bench +up ")
        # Live: calls are seen without a key.
        for _ in range(3):
            daemon.call("searchFiles", {"pattern": "**/*top*"})
        terminal.keys("Enter")
        terminal.sees(r"searchFiles +ok +bench")
        terminal.keys("Enter")
        text = terminal.sees(r"└─ tools/call searchFiles \[to the server\]")
        assert re.search(r"^tool +searchFiles", text, re.M), text
        terminal.keys("Escape")
        terminal.sees(r"^calls: bench, the newest first")
        # A terminal that becomes tiny, and large again.
        terminal.tmux("resize-window", "-x", 40, "-y", 10)
        terminal.until(lambda text: len(text.splitlines()) <= 10 and "searchFiles" in text, "calls on 40 × 10")
        terminal.keys("Escape")
        terminal.sees(r"^bench +up ")
        terminal.tmux("resize-window", "-x", 80, "-y", 24)
        terminal.sees("WHAT CHANGED")
        # A daemon that goes away is said, and is not the end.
        daemon.close()
        terminal.sees("not reachable, trying again")
        terminal.keys("q")
        terminal.prompt()
        assert terminal.state() == before
    finally:
        terminal.close()
        daemon.process.kill()


def top_by_signal(package):
    daemon = Daemon(package)
    terminal = Terminal(daemon.folder, 80, 24)
    try:
        before = terminal.state()
        for number in (signal.SIGTERM, signal.SIGINT):
            terminal.line(f"{daemon.program} top --data-dir {daemon.data}")
            terminal.sees(r"^bench +up ")
            assert terminal.tmux("display-message", "-p", "#{alternate_on}").strip() == "1"
            found = subprocess.run(["pgrep", "-f", f"{daemon.program} top "], capture_output=True, text=True)
            os.kill(int(found.stdout.split()[0]), number)
            terminal.prompt()
            assert terminal.state() == before
        # Without colours it is the same.
        terminal.line(f"NO_COLOR=1 {daemon.program} top --data-dir {daemon.data}")
        terminal.sees(r"^bench +up ")
        assert not re.search(r"\x1b\[(3[1-7]|9\d)m", terminal.tmux("capture-pane", "-p", "-e"))
        terminal.keys("C-c")
        terminal.prompt()
        assert terminal.state() == before
    finally:
        terminal.close()
        daemon.close()


CHECKS = [top_by_keys, top_by_signal]
