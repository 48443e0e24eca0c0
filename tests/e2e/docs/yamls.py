"""YAML and JSON of the documentation that is a configuration or a rule file, given to the binary that reads it."""

import re
import subprocess

from yard import certificate

TOP = re.compile(r"^([a-z_]+):", re.M)
SECRET = re.compile(r"\$\{(\w+)(?::-[^}]*)?\}")
MINIMAL = 'servers: {files: {command: my-server}}\n'
# Files of another machine, as configurations name them.
FOREIGN = re.compile(r"(?:file:)?/(?:run|etc/pilothouse|srv)/[\w./-]*")


def check(block, shell):
    """What `pilothouse check` or `pilothouse rules check` has against it, or `None`."""
    if block.kind == "json":
        if '"mcpServers"' not in block.text:
            return None
        return judged(shell, ["check", "mcp.json"], "mcp.json", block.text)
    keys = TOP.findall(block.text)
    if keys == ["groups"]:
        return judged(shell, ["rules", "check", "rules.yml"], "rules.yml", block.text)
    if not keys:
        return "is neither a configuration nor rules: say what with `<!-- is: … -->`"
    text = block.text if "servers" in keys else block.text + MINIMAL
    return judged(shell, ["check", "checked.yaml", "--data-dir", "nothing-yet"], "checked.yaml", text)


def judged(shell, args, name, text):
    folder = shell.folder / "checked"
    (folder / "rules").mkdir(parents=True, exist_ok=True)
    (folder / "rules/mine.yml").write_text("groups: []\n")
    secret = folder / "secret"
    secret.write_text("https://hook.example/a\n")
    text = FOREIGN.sub(lambda found: own(folder, found[0]), text)
    (folder / name).write_text(text)
    variables = {name: "https://hook.example/a" for name in SECRET.findall(text)}
    done = subprocess.run(
        ["pilothouse", *args], cwd=folder, env=shell.variables | variables, capture_output=True, text=True, timeout=60
    )
    return None if done.returncode == 0 else f"{done.stdout}{done.stderr}"


def own(folder, path):
    """A file of this folder in the place of one of another machine: certificates, secrets, lists."""
    if path.startswith("file:"):
        return f"file:{folder}/secret"
    if path.endswith(".pem"):
        certificate(folder)
        return str(folder / ("key.pem" if path.endswith("key.pem") else "cert.pem"))
    return path
