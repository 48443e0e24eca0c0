"""Scenarios: series that come, go, flap, reset and change their labels by a seed, and a rule for each.

Times are seconds since the beginning. No series changes while the evaluators restart, unless the scenario is
about that; states last long enough that each of them is told, so that what arrives can be compared.
"""

import json
import random
from dataclasses import dataclass, field

FRAGILE_DOWN = (14.0, 21.0)
# A Prometheus that has just begun or was reloaded knows no Alertmanager for up to 5 s, and loses what it says
# meanwhile. So nothing that is short happens from here on until SETTLED.
RELOAD = 30.0
RESTART = (40.0, 44.0)
SETTLED = 52.0
END = 73.0
LAST_CHANGE = END - 7
# Alerts that 2.42 cannot agree on.
DIFFERENT_IN_2 = {"LongerWhileFiring"}


@dataclass
class Rule:
    name: str
    expr: str
    hold: int = 0
    keep: int = 0
    labels: dict = field(default_factory=dict)
    annotations: dict = field(default_factory=dict)
    record: bool = False


@dataclass
class Scene:
    """`series(t)` gives (metric, labels, value); `before` and `after` are the rules around the reload."""

    name: str
    kind: str
    series: object
    before: list
    after: list
    page: str = "steady"
    group: str = "scenes-a"


def make(seed):
    rng = random.Random(seed)
    scenes = []

    def add(kind, count, build):
        for _ in range(count):
            number = len(scenes)
            name = f"S{number:02}{kind.title().replace('-', '')}"
            scene = build(rng, name, number)
            scene.kind = kind
            scenes.append(scene)

    add("plain", 8, plain)
    add("never-firing", 4, never_firing)
    add("kept-firing", 4, kept_firing)
    add("gap", 6, gap)
    add("label-change", 4, label_change)
    add("templated-label", 2, templated_label)
    add("counter", 5, counter)
    add("target-down", 3, target_down)
    add("aggregate", 4, aggregate)
    add("recorded", 3, recorded)
    add("bucket", 2, bucket)
    add("matching", 3, matching)
    add("failing", 1, failing)
    add("limited", 1, limited)
    add("absent", 2, absent)
    add("reload", 5, reload)
    add("longer", 1, longer_while_firing)
    add("rule-removed", 1, rule_removed)
    add("rule-added", 1, rule_added)
    add("restart", 5, restart)
    add("grouped", 2, grouped)
    add("inhibited", 1, inhibited)
    add("critical", 2, critical)
    return scenes


def windows(rng, on=(6.0, 9.0), off=(6.0, 9.0)):
    """[(from, to)] in which it is on; it is off from the reload until the evaluators are back."""
    found = []
    for begin, end in ((rng.uniform(4, 6), RELOAD - 2), (SETTLED + rng.uniform(0, 1), LAST_CHANGE)):
        at = begin
        while (to := at + rng.uniform(*on)) <= end:
            found.append((round(at, 2), round(to, 2)))
            at = to + rng.uniform(*off)
    assert len(found) >= 2, "too long for the time there is"
    return found


def inside(t, spans):
    return any(begin <= t < end for begin, end in spans)


def same(scene_name, series, rule, **more):
    rules = rule if isinstance(rule, list) else [rule]
    return Scene(scene_name, "", series, rules, rules, **more)


def pick(name):
    return 'scene{scene="%s"}' % name


def note(text="{{ $labels.scene }} is at {{ $value }}"):
    return {"summary": text}


def on_off(name, spans, high, low=1.0, **labels):
    labels = {"scene": name} | labels

    def series(t):
        return [("scene", labels, high if inside(t, spans) else low)]

    return series


def plain(rng, name, number):
    hold = (0, 2, 3, 4)[number % 4]
    spans = windows(rng, on=(hold + 5, hold + 8))
    annotations = {
        "summary": "{{ $labels.scene }} of {{ $labels.job }} is at {{ $value }}",
        "shown": "{{ $value | humanize }} {{ humanize1024 $value }} {{ $value | humanizeDuration }} "
        '{{ humanizePercentage $value }} {{ printf "%.2f|%s|%q" $value $labels.scene $labels.instance }}',
        "outer": "{{ $externalLabels.site }} {{ .Labels.scene | toUpper }} {{ .Value }}",
    }
    high = (7, 1234.5, 0.0625 * 200, 86_461, 1e7 + 1, 12, 99.5, 1536)[number % 8]
    rule = Rule(name, pick(name) + " > 5", hold, labels={"team": "red"}, annotations=annotations)
    return same(name, on_off(name, spans, high), rule)


def never_firing(rng, name, number):
    spans = windows(rng, on=(4, 6), off=(4, 6))
    return same(name, on_off(name, spans, 9), Rule(name, pick(name) + " > 5", 8, annotations=note()))


def kept_firing(rng, name, number):
    # Off for less than `keep`, and once for longer.
    spans = windows(rng, on=(6, 7), off=(4, 5)) if number % 2 else windows(rng, on=(6, 7), off=(11, 13))
    rule = Rule(name, pick(name) + " > 5", 2, keep=6, annotations=note("kept {{ $labels.scene }}"))
    return same(name, on_off(name, spans, 9), rule)


def gap(rng, name, number):
    spans = windows(rng, on=(7, 10), off=(6, 8))
    labels = {"scene": name}

    def series(t):
        return [("scene", labels, 9)] if inside(t, spans) else []

    return same(name, series, Rule(name, pick(name) + " > 5", number % 3, annotations=note()))


def label_change(rng, name, number):
    spans = windows(rng, on=(9, 11), off=(9, 11))

    def series(t):
        version = "2" if inside(t, spans) else "1"
        return [("scene", {"scene": name, "version": version}, 9 if t >= spans[0][0] else 1)]

    rule = Rule(name, pick(name) + " > 5", 2, annotations=note("version {{ $labels.version }}"))
    return same(name, series, rule)


def templated_label(rng, name, number):
    spans = windows(rng, on=(8, 10), off=(8, 10))
    labels = {"value": '{{ printf "%.0f" $value }}', "where": "{{ $labels.job }}-x"}
    rule = Rule(name, pick(name) + " > 5", 2, labels=labels, annotations=note())
    high = on_off(name, spans, 20, 10)
    return same(name, lambda t: high(t) if t >= spans[0][0] else [("scene", {"scene": name}, 1)], rule)


def counter(rng, name, number):
    """Climbs by 20/s while on, by 1/s else, and begins again at 0 twice."""
    spans = windows(rng, on=(11, 13), off=(10, 12))
    resets = sorted(rng.uniform(*span) for span in ((8, 26), (54, 60)))
    labels = {"scene": name}

    def series(t):
        begin = max([0.0] + [reset for reset in resets if reset <= t])
        on = sum(max(0.0, min(t, e) - max(begin, b)) for b, e in spans)
        return [("scene_total", labels, round(t - begin + 19 * on + 1000 * (begin == 0), 3))]

    function = ("rate", "increase")[number % 2]
    least = 35 if function == "increase" else 9
    expr = '%s(scene_total{scene="%s"}[4s500ms]) > %s' % (function, name, least)
    return same(name, series, Rule(name, expr, 2, annotations=note("{{ $labels.scene }} climbs")))


def target_down(rng, name, number):
    labels = {"scene": name}

    def series(t):
        return [("scene", labels, 9 if t >= 3 else 1)]

    rules = (
        Rule(name, 'up{job="fragile"} == 0', 2, annotations=note("{{ $labels.instance }} is down: {{ $value }}")),
        Rule(name, pick(name) + " > 5", 2, annotations=note()),
        Rule(name, "absent(%s)" % pick(name), 2, annotations=note("{{ $labels.scene }} is absent")),
    )
    return same(name, series, rules[number % 3], page="fragile")


def aggregate(rng, name, number):
    spans = windows(rng, on=(8, 10))
    parts = [({"scene": name, "tool": tool, "part": str(part)}, part) for tool in "ab" for part in range(3)]

    def series(t):
        on = inside(t, spans)
        return [("scene", labels, 5 if on and labels["tool"] == "a" else part) for labels, part in parts]

    exprs = (
        "sum by (tool, scene) (%s) > 10",
        "count by (scene) (%s == 5) > 2",
        "max without (part, instance) (%s) > 4",
        "avg by (tool) (%s) > 4.5 and on () vector(1)",
    )
    return same(name, series, Rule(name, exprs[number % 4] % pick(name), 2, annotations=note("{{ $value }}")))


def recorded(rng, name, number):
    spans = windows(rng, on=(8, 10))
    metric = f"scene:{name.lower()}:sum"
    rules = [
        Rule(metric, "sum by (scene) (%s)" % pick(name), labels={"kind": "made"}, record=True),
        Rule(name, f"{metric} > 5", 2, annotations=note("{{ $labels.kind }} {{ $value }}")),
    ]
    # One of them reads the state of its own alert.
    if number % 3 == 0:
        rules.append(Rule(name + "Again", 'ALERTS{alertname="%s",alertstate="firing"}' % name, 2, annotations=note("again")))
    return same(name, on_off(name, spans, 9), rules)


def bucket(rng, name, number):
    spans = windows(rng, on=(11, 13), off=(10, 12))
    one = ("1", "1.0")[number % 2]

    def series(t):
        slow = sum(max(0.0, min(t, e) - b) for b, e in spans if t > b)
        fast = t - slow
        labels = {"scene": name}
        made = [(one, 100 + fast * 10), ("10", 100 + fast * 10 + slow * 10), ("+Inf", 100 + t * 10)]
        return [("scene_bucket", labels | {"le": le}, round(value, 3)) for le, value in made]

    select = '{scene="%s",le=~"%s"}'
    if number % 4 < 2:
        ratio = "1 - sum(rate(scene_bucket%s[4s500ms])) / sum(rate(scene_bucket%s[4s500ms])) > 0.5"
        expr = ratio % (select % (name, "1|1[.]0"), select % (name, "[+]Inf"))
    else:
        expr = 'histogram_quantile(0.9, sum by (le) (rate(scene_bucket{scene="%s"}[4s500ms]))) > 5' % name
    return same(name, series, Rule(name, expr, 2, annotations=note("slow")))


def matching(rng, name, number):
    spans = windows(rng, on=(8, 10))

    def series(t):
        value = 9 if inside(t, spans) else 1
        return [
            ("scene", {"scene": name, "tool": "a"}, value),
            ("scene_most", {"scene": name}, 5),
            ("scene_muted", {"scene": name, "tool": "a"}, 0 if inside(t, spans) else 1),
        ]

    most, muted = ('%s{scene="%s"}' % (metric, name) for metric in ("scene_most", "scene_muted"))
    exprs = (
        f"{pick(name)} > on (scene) group_left {most}",
        f"{pick(name)} unless on (tool) {muted} == 1",
        f"{pick(name)} - ignoring (tool) {most} > 0 or {muted} > 3",
    )
    return same(name, series, Rule(name, exprs[number % 3], 2, annotations=note("{{ $value }}")))


def failing(rng, name, number):
    """For a while its expression has no answer: what is pending or firing stays so."""
    spans = [(8.0, 28.0), (53.0, 61.0)]

    def series(t):
        made = [("scene", {"scene": name}, 9 if inside(t, spans) else 1), ("scene_most", {"scene": name, "n": "1"}, 5)]
        if 16 <= t < 23:
            made.append(("scene_most", {"scene": name, "n": "2"}, 5))
        return made

    expr = pick(name) + ' > on (scene) scene_most{scene="%s"}' % name
    return same(name, series, Rule(name, expr, 2, annotations=note("kept over an error")))


def limited(rng, name, number):
    """More elements than the group's limit for a while: none is left, with an error."""

    def series(t):
        many = 4 if 15 <= t < 20 else 2
        on = 8 <= t < 28 or 53 <= t < 61
        return [("scene", {"scene": name, "n": str(n)}, 9 if on else 1) for n in range(many)]

    return same(name, series, Rule(name, pick(name) + " > 5", 2, annotations=note("{{ $labels.n }}")), group="scenes-limited")


def absent(rng, name, number):
    spans = windows(rng, on=(8, 10), off=(8, 10))

    def series(t):
        return [("scene", {"scene": name}, 3)] if not inside(t, spans) else []

    return same(name, series, Rule(name, "absent(%s)" % pick(name), 2, annotations=note("{{ $labels.scene }} is absent")))


def reload(rng, name, number):
    """The rules of a file change under pending and firing alerts."""
    changes = (
        (5, 35, dict(hold=7), dict(hold=12)),
        (9, 6, dict(hold=14), dict(hold=3)),
        (9, 6, dict(hold=2), dict(hold=2, annotations=note("now otherwise"))),
        (9, 34, dict(hold=2), dict(hold=2, labels={"team": "blue"})),
        (3, 6, dict(hold=9), dict(hold=2)),
    )
    earlier, later, before, after = changes[number % 5]
    # What fires soon after the reload is told once more 5 s later, when Prometheus knows to whom.
    spans = [(RELOAD - earlier, RELOAD + later + 2), (54.0, 63.0)] if later < 10 else [(RELOAD - earlier, RELOAD + later)]
    rules = [[Rule(name, pick(name) + " > 5", **({"annotations": note()} | one))] for one in (before, after)]
    return Scene(name, "", on_off(name, spans, 9), *rules, group="scenes-reload")


def longer_while_firing(rng, name, number):
    """Since 3.0 an alert that fires waits again when its `for` is longer now; 2.42 lets it fire."""
    rules = [[Rule("LongerWhileFiring", pick(name) + " > 5", hold, annotations=note())] for hold in (2, 12)]
    return Scene(name, "", on_off(name, [(RELOAD - 9, RELOAD + 8)], 9), *rules, group="scenes-reload")


def rule_removed(rng, name, number):
    rule = Rule(name, pick(name) + " > 5", 2, annotations=note())
    return Scene(name, "", on_off(name, [(8.0, 64.0)], 9), [rule], [], group="scenes-reload")


def rule_added(rng, name, number):
    rule = Rule(name, pick(name) + " > 5", 2, annotations=note())
    return Scene(name, "", on_off(name, [(8.0, 64.0)], 9), [], [rule], group="scenes-reload")


def restart(rng, name, number):
    """Pending and firing while the evaluators are away; some are over when they are back."""
    begin, to = RESTART
    spans, hold = (
        ([(begin - 4, 61.0)], 2),
        ([(begin - 4, 64.0)], 12),
        ([(begin - 4, to - 2)], 2),
        ([(begin - 4, to - 2)], 12),
        ([(begin - 4, 62.0)], 0),
    )[number % 5]
    rule = Rule(name, pick(name) + " > 5", hold, labels={"team": "green"}, annotations=note())
    return same(name, on_off(name, spans, 9), rule)


def grouped(rng, name, number):
    """Several alerts of one name, in a group for each team."""
    teams = [("x", "0"), ("x", "1"), ("y", "2"), ("y", "3")]
    spans = [windows(rng, on=(8, 11), off=(8, 11)) for _ in teams]

    def series(t):
        return [
            ("scene", {"scene": name, "team": team, "n": n}, 9 if inside(t, span) else 1)
            for (team, n), span in zip(teams, spans)
        ]

    rule = Rule(name, pick(name) + " > 5", 2, annotations=note("{{ $labels.n }} of {{ $labels.team }}"))
    return same(name, series, rule)


def inhibited(rng, name, number):
    """The target comes after its source and goes before it, so it is never heard of; and then alone."""

    def series(t):
        source, target = 8 <= t < 28, 14 <= t < 23 or 54 <= t < 62
        return [
            ("scene", {"scene": name, "part": "source"}, 9 if source else 1),
            ("scene", {"scene": name, "part": "target"}, 9 if target else 1),
        ]

    rules = []
    for part in ("source", "target"):
        expr = 'scene{scene="%s",part="%s"} > 5' % (name, part)
        rules.append(Rule(name + part.title(), expr, 2, labels={"role": part}, annotations=note()))
    return same(name, series, rules)


def critical(rng, name, number):
    """Goes to another receiver as well."""
    rule = Rule(name, pick(name) + " > 5", 2, labels={"severity": "critical"}, annotations=note())
    return same(name, on_off(name, windows(rng), 9), rule)


GROUPS = ("scenes-a", "scenes-b", "scenes-limited", "scenes-reload")


def rule_file(scenes, reloaded, names):
    """A rule file, in which every group records its own ticks; `names` are those of its groups."""
    lines = ["groups:"]
    for group in GROUPS:
        lines += [f"  - name: {names[group]}", "    interval: 1s"]
        if group == "scenes-limited":
            lines.append("    limit: 3")
        lines += ["    rules:", f"      - record: tick:{names[group].replace('-', '_')}", "        expr: vector(1)"]
        for scene in scenes:
            home = scene.group
            if home == "scenes-a" and int(scene.name[1:3]) % 2:
                home = "scenes-b"
            if home == group:
                for rule in scene.after if reloaded else scene.before:
                    lines += rule_lines(rule)
    return "\n".join(lines) + "\n"


def rule_lines(rule):
    made = [f"      - {'record' if rule.record else 'alert'}: {rule.name}", f"        expr: {json.dumps(rule.expr)}"]
    if rule.hold:
        made.append(f"        for: {rule.hold}s")
    if rule.keep:
        made.append(f"        keep_firing_for: {rule.keep}s")
    for name, values in (("labels", rule.labels), ("annotations", rule.annotations)):
        if values:
            made.append(f"        {name}:")
            made += [f"          {label}: {json.dumps(text)}" for label, text in values.items()]
    return made


def page(scenes, name, t):
    """The text of a page of metrics at a time."""
    found = {}
    for scene in scenes:
        if scene.page == name:
            for metric, labels, value in scene.series(t):
                found.setdefault(metric, []).append((labels, value))
    lines = []
    for metric, elements in sorted(found.items()):
        lines.append(f"# TYPE {metric} {'untyped' if metric.endswith('_bucket') else 'gauge'}")
        for labels, value in elements:
            inner = ",".join(f"{label}={json.dumps(text)}" for label, text in labels.items())
            lines.append(f"{metric}{{{inner}}} {value}")
    return "\n".join(lines) + "\n"
