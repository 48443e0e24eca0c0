"""What `pilothouse generate kubernetes` writes, given to judges: the schemas of Kubernetes 1.30 to 1.37
(kubernetes-validate, strict), its types (k8s-openapi: what is read has to be written back the same), promtool for rules,
`kubectl kustomize` where kubectl is there. The chart has to have look-ups of values only, and rendered by a Go-template
engine it has to be the plain objects. Values that are set have to arrive. What cannot run is refused with its place.

PILOTHOUSE_BIN names the binary (default target/debug/pilothouse)."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import kubernetes_validate
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = os.environ.get("PILOTHOUSE_BIN", str(TARGET / "debug/pilothouse"))
DEPS = ROOT / ".deps/kubernetes"
GOLDEN = ROOT / "crates/ph-artifacts/tests/golden"

VERSIONS = [f"1.{minor}" for minor in range(30, 38)]
TYPES = ["v1_33", "v1_37"]
# Objects of operators, for which Kubernetes itself has no schema.
FOREIGN = {"ServiceMonitor", "PrometheusRule", "ScaledObject"}
IMAGE = "registry.example/pilothouse:1.2.3"
# All that a template may have: a look-up of a value, and the text that opens a template.
ACTION = re.compile(r"\{\{ (?:\.Values(?:\.[a-zA-Z]+)+|`\{\{`) \}\}")

CASES = {
    f"{name}, {scaler}{'' if operator else ', no operator'}": (
        name,
        ["--autoscaler", scaler, *([] if operator else ["--no-operator"]), *more],
    )
    for name, more in (
        ("gateway", ["--name", "mcp", "--namespace", "tools"]),
        ("sidecar", ["--server-image", "registry.example/shop:7"]),
    )
    for scaler in ("hpa", "keda", "none")
    for operator in (True, False)
}

checks = []


def check(name, is_right, why=""):
    checks.append(bool(is_right))
    print(f"{'ok  ' if is_right else 'FAIL'} {name}{'' if is_right else f': {why}'}", flush=True)


def run(*command, cwd=None, text=None):
    done = subprocess.run([str(c) for c in command], cwd=cwd, input=text, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


def generate(config, form, flags, out):
    return run(BINARY, "generate", "kubernetes", "--config", config, "--image", IMAGE, "--format", form, "--out", out, *flags)


def objects(folder):
    return {file.name: yaml.safe_load(file.read_text()) for file in sorted(folder.glob("*.yaml"))}


def judged(name, found):
    native = [value for value in found.values() if value["kind"] not in FOREIGN]
    wrong = []
    for version in VERSIONS:
        for value in native:
            try:
                kubernetes_validate.validate(value, version, strict=True)
            except Exception as error:  # whatever it finds is a finding
                wrong.append(f"{version} {value['kind']}: {error}")
    check(f"{name}: schemas of {VERSIONS[0]} to {VERSIONS[-1]}, {len(native)} objects", native and not wrong, wrong[:3])
    for types in TYPES:
        code, said, error = run(DEPS / f"judge-{types}", "typed", text=json.dumps(native))
        check(f"{name}: types of {types}", code == 0 and len(said.split("\n")) == len(native) + 1, error[:2000])
    for file, value in found.items():
        if value["kind"] == "PrometheusRule":
            with tempfile.NamedTemporaryFile("w", suffix=".yml") as rules:
                yaml.safe_dump(value["spec"], rules)
                rules.flush()
                code, said, error = run("promtool", "check", "rules", rules.name)
            check(f"{name}: promtool, {file}", code == 0 and "SUCCESS" in said, error)
    refused = {value["kind"]: {**value, "spec": {**value["spec"], "speck": 1}} for value in native if "spec" in value}
    for kind, value in refused.items():
        try:
            kubernetes_validate.validate(value, VERSIONS[-1], strict=True)
            check(f"{name}: the judge sees a wrong field of {kind}", False)
        except kubernetes_validate.ValidationError:
            pass


def rendered(chart, changes=None):
    values = yaml.safe_load((chart / "values.yaml").read_text())
    for path, value in (changes or {}).items():
        at = values
        *above, last = path.split(".")
        for part in above:
            at = at[part]
        assert last in at, path
        at[last] = value
    templates = {file.name: file.read_text() for file in sorted((chart / "templates").glob("*.yaml"))}
    for name, text in templates.items():
        rest = ACTION.sub("", text)
        check(f"look-ups only: {name}", "{{" not in rest, rest[max(0, rest.find("{{") - 80) :][:160])
    code, said, error = run(DEPS / f"judge-{TYPES[-1]}", "render", text=json.dumps({"values": values, "templates": templates}))
    if code != 0:
        check("the chart is rendered", False, error)
        return {}
    return {name: yaml.safe_load(text) for name, text in json.loads(said).items()}


def case(name, config, flags, folder):
    source = folder / "source"
    if not source.exists():
        source.mkdir(parents=True)
        for file in ("gateway.yaml", "sidecar.yaml"):
            shutil.copy(GOLDEN / file, source / file)
        (source / "rules").mkdir()
        shutil.copy(GOLDEN / "own.yml", source / "rules/own.yml")
    out = folder / name.replace(" ", "-")
    said = {}
    for form in ("plain", "kustomize", "helm"):
        code, _, said[form] = generate(source / f"{config}.yaml", form, flags, out)
        check(f"{name}: {form} is written", code == 0, said[form])
    plain = objects(out / "objects")
    judged(name, plain)
    listed = yaml.safe_load((out / "base/kustomization.yaml").read_text())["resources"]
    base = {file: yaml.safe_load((out / "base" / file).read_text()) for file in listed}
    check(f"{name}: the base lists the same objects", base == plain)
    kubectl = shutil.which("kubectl")
    if kubectl:
        code, built, error = run(kubectl, "kustomize", out / "base")
        made = [value for value in yaml.safe_load_all(built) if value]
        key = lambda value: (value["kind"], value["metadata"]["name"])
        same = sorted(made, key=key) == sorted(plain.values(), key=key)
        check(f"{name}: kubectl kustomize builds the same objects", code == 0 and same, error)
    else:
        print(f"NOT DONE {name}: kubectl kustomize (no kubectl here: apt-get install kubernetes-client)")
    chart = out / "chart"
    check(f"{name}: the chart is the plain objects", rendered(chart) == plain)
    return out, plain


def what_is_set_arrives(out, plain):
    changed = rendered(out / "chart", {"image": "r.example/other:2", "resources.requests.memory": "384Mi", "autoscaling.max": 20})
    container = changed["deployment.yaml"]["spec"]["template"]["spec"]["containers"][0]
    check("a set image arrives", container["image"] == "r.example/other:2")
    check("a set request arrives", container["resources"]["requests"]["memory"] == "384Mi")
    check("a set maximum arrives as a number", changed["hpa.yaml"]["spec"]["maxReplicas"] == 20)
    same = [name for name in plain if changed[name] == plain[name]]
    check("nothing else changes", sorted(plain.keys() - same) == ["deployment.yaml", "hpa.yaml"], same)


def what_is_wrong_is_refused(folder):
    config = folder / "wrong.yaml"
    config.write_text('servers:\n  a: {url: "http://127.0.0.1:8080/mcp", headers: {Authorization: "Bearer s3cr3t-hunter2-0123456789"}}\n')
    code, said, error = generate(config, "plain", [], folder / "wrong")
    check("what cannot run is refused", code == 1 and not (folder / "wrong").exists(), error)
    for line in ("`listen`", "`allowed_hosts`", f"--> {config}:2:12", "a secret stands in the configuration"):
        check(f"it says {line.replace(str(folder), '')}", line in error, error)
    check("it does not say the secret", "hunter2" not in said + error)
    code, _, error = run(BINARY, "generate", "kubernetes", "--config", config, "--image", "pilothouse:latest", "--out", folder / "wrong")
    check("an image without a version is refused", code == 2 and "no version" in error, error)


with tempfile.TemporaryDirectory() as place:
    place = Path(place)
    for name, (config, flags) in CASES.items():
        out, plain = case(name, config, flags, place)
        if name == "gateway, hpa":
            what_is_set_arrives(out, plain)
            config_map = plain["configmap.yaml"]["data"]["pilothouse.yaml"]
            check("the configuration is the text", config_map == (GOLDEN / "gateway.yaml").read_text())
    what_is_wrong_is_refused(place)

print(f"{sum(checks)} of {len(checks)} checks passed")
raise SystemExit(0 if checks and all(checks) else 1)
