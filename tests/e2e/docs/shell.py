"""A shell that keeps its folder and its variables from one command to the next, and judges how each ends."""

import os
import re
import signal
import subprocess
from pathlib import Path

from words import missing

COMMAND_SECONDS_MAX = 60
# Follow something for ever: they are stopped, which is no failure.
FOLLOWING = re.compile(r"logs/follow|--follow|^tail -f|\btop$")
FOLLOW_SECONDS = 3
# Commands whose exit code is an answer: 1 something was found, 3 nobody can say. An error is 2.
ANSWERS = {"alerts": (1,), "slo": (1, 3), "vuln": (1, 3), "tools": (1,), "cost": (1, 3), "policy": (1,), "self": (1, 3)}


class Shell:
    def __init__(self, scratch, binary):
        self.state, self.bin = scratch / "shell", scratch / "bin"
        self.state.mkdir()
        self.bin.mkdir()
        (self.bin / "pilothouse").symlink_to(binary)
        self.home = scratch / "home"
        self.home.mkdir()
        path = os.pathsep.join([str(self.bin), os.environ["PATH"]])
        self.variables = {"PATH": path, "HOME": str(self.home), "LANG": "C.UTF-8", "NO_COLOR": "1", "npm_config_offline": "true"}
        (self.state / "env").write_text("")
        self.folder = scratch

    def enter(self, folder):
        """A new file begins: its folder, and no variable of the one before."""
        self.folder = folder
        (self.state / "env").write_text("")
        (self.state / "cwd").write_text(f"{folder}\n")

    def here(self):
        """The folder that the commands so far have led to."""
        return Path((self.state / "cwd").read_text().strip())

    def script(self, command):
        """The command, with what the ones before it left, and what it leaves kept for those after it."""
        keep = f"code=$?; export -p >'{self.state}/env'; pwd >'{self.state}/cwd'; exit $code"
        return f"cd \"$(cat '{self.state}/cwd')\" && . '{self.state}/env'\n{command}\n{keep}"

    def popen(self, command, **how):
        how = {"stdin": subprocess.DEVNULL, "start_new_session": True, "env": self.variables, "text": True} | how
        return subprocess.Popen(["bash", "-c", self.script(command)], **how)

    def run(self, command, expected=None):
        """Runs it; what is wrong with how it ends and with what it prints, or `None`."""
        following = FOLLOWING.search(command)
        child = self.popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            said, _ = child.communicate(timeout=FOLLOW_SECONDS if following else COMMAND_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            said, _ = child.communicate()
            return None if following else f"not done after {COMMAND_SECONDS_MAX} s: {said[-500:]}"
        return judged(command, child.returncode, said, expected)


def judged(command, code, said, expected):
    is_error = bool(expected) and expected[0].startswith("error")
    if is_error and code == 0:
        return f"an error is shown, and it ended well: {said[-500:]}"
    name = re.search(r"pilothouse (\w+)", command.split("|")[-1])
    if not is_error and code != 0 and code not in ANSWERS.get(name and name[1], ()):
        return f"exit code {code}: {said[-1500:]}"
    if expected and (line := missing(expected, said.splitlines())) is not None:
        return f"is not said as it is shown: {line!r}; it said:\n{said[-2000:]}"
    return None
