"""Blocks of PromQL: the whole is one question, or each of its lines is."""

import subprocess


def check(block, shell):
    """What the daemon has against a question, or `None`."""
    lines = [line for line in block.text.splitlines() if line.strip() and not line.startswith("#")]
    if asked("\n".join(lines), shell) is None:
        return None
    return next((wrong for line in lines if (wrong := asked(line, shell))), None)


def asked(question, shell):
    command = ["pilothouse", "query", question]
    done = subprocess.run(command, cwd=shell.folder, env=shell.variables, capture_output=True, text=True, timeout=60)
    return None if done.returncode == 0 else f"`{question}`: {done.stdout}{done.stderr}"
