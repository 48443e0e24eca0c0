"""Rules and series from a seed: one scenario is a rule file and a test file without expectations.

Prometheus 2.42 takes the left edge of a range, Prometheus 3 and we do not: no range here is a multiple of
the interval of samples, and no sample becomes 5 minutes old.
Neither begins a counter near zero, where the two extrapolate in another order. Values are whole numbers or binary fractions, so that no order of adding shows.
"""

import random

KINDS = []


def kind(make):
    KINDS.append(make)
    return make


class Scenario:
    """One rule file with the series that it is fed."""

    def __init__(self, seed: int):
        make = KINDS[seed % len(KINDS)]
        self.random = random.Random(f"{make.__name__} {seed}")
        self.name = f"{seed:03}-{make.__name__.replace('_', '-')}"
        self.sample_s = self.random.choice([15, 30, 60])
        self.tick_s = self.random.choice([15, 30, 60])
        self.ticks = 24
        self.groups: list[dict] = []
        self.series: list[dict] = []
        self.order: list[str] = []
        self.external: dict[str, str] = {}
        # Ends with an error in a rule, which both have to name.
        self.fails = False
        make(self, self.random)

    def group(self, *rules: dict, **more) -> None:
        self.groups.append({"name": f"g{len(self.groups)}", **more, "rules": list(rules)})

    def feed(self, series: str, values: list) -> None:
        # A sample that is 5 minutes old to the second counts in 2.42 and not in 3: it ends before.
        values, missing = list(values), 0
        for nth, value in enumerate(values):
            missing = missing + 1 if value == "_" else 0
            if missing * self.sample_s == 240:
                values[nth] = "stale"
        self.series.append({"series": series, "values": " ".join(str(value) for value in values)})

    @property
    def samples(self) -> int:
        return self.ticks * self.tick_s // self.sample_s + 1

    def flapping(self, *levels) -> list:
        """Runs of one level, of random length."""
        values = []
        while len(values) < self.samples:
            level = self.random.choice(levels)
            values += [level] * self.random.choice([1, 1, 2, 3, 5, 8])
        return values[: self.samples]

    def hold(self) -> str:
        return f"{self.random.choice([0, 1, 2, 3, 5]) * self.tick_s}s"

    def names(self) -> tuple[list[str], list[str]]:
        alerts = [rule["alert"] for group in self.groups for rule in group["rules"] if "alert" in rule]
        records = [rule["record"] for group in self.groups for rule in group["rules"] if "record" in rule]
        return sorted(set(alerts)), sorted(set(records))


@kind
def flapping(s, r):
    for nth in range(3):
        s.feed(f'm{{i="{nth}"}}', s.flapping(0, 1, 2, 3))
    s.group(
        {"alert": "High", "expr": "m > 1", "for": s.hold(), "labels": {"severity": "page"}},
        {"alert": "Higher", "expr": "m > 2", "for": s.hold()},
        {"alert": "Many", "expr": "count(m > 0) > 1", "for": s.hold()},
    )


@kind
def gaps(s, r):
    for nth in range(3):
        values = s.flapping(0, 2, 2, "_", "_", "stale")
        s.feed(f'm{{i="{nth}"}}', values)
    s.group(
        {"alert": "High", "expr": "m > 1", "for": s.hold()},
        {"alert": "Gone", "expr": 'absent(m{i="0"})', "for": s.hold()},
        {"alert": "Old", "expr": "time() - timestamp(m) > 45", "for": s.hold()},
    )


@kind
def labels_that_change(s, r):
    half = s.samples // 2
    for version in "abc":
        start = r.randrange(half)
        length = r.randrange(2, half + 2)
        s.feed(f'm{{i="x", version="{version}"}}', ["_"] * start + [2] * length + ["stale"])
    s.group(
        {"alert": "High", "expr": "m > 1", "for": s.hold(), "labels": {"version": "", "kind": "{{ $labels.version }}"}}
        if r.random() < 0.3
        else {"alert": "High", "expr": "m > 1", "for": s.hold(), "labels": {"kind": "v-{{ $labels.version }}"}},
        {"alert": "Any", "expr": "max by (i) (m) > 1", "for": s.hold()},
        limit=3,
    )


@kind
def kept_firing(s, r):
    for nth in range(3):
        s.feed(f'm{{i="{nth}"}}', s.flapping(0, 0, 2, 2, "_"))
    for nth, keep in enumerate([1, 2, 4]):
        s.group(
            {
                "alert": f"Kept{nth}",
                "expr": "m > 1",
                "for": s.hold(),
                "keep_firing_for": f"{keep * s.tick_s}s",
            }
        )


@kind
def value_in_a_label(s, r):
    s.feed('m{i="x"}', s.flapping(1, 2, 3))
    s.feed('m{i="y"}', s.flapping(1, 2, 3, "_"))
    s.group(
        {
            "alert": "Level",
            "expr": "m > 1",
            "for": s.hold(),
            "labels": {"level": "{{ if ge $value 3.0 }}critical{{ else }}warning{{ end }}", "i": "{{ $labels.i | toUpper }}"},
            "annotations": {"now": "{{ $value }}"},
        }
    )


# None that gives nothing: we leave out an annotation without a text, Prometheus keeps it.
PIECES = [
    "{{ $value }}",
    "{{ $value | humanize }}",
    "{{ humanize1024 $value }}",
    "{{ humanizeDuration $value }}",
    "{{ humanizePercentage $value }}",
    "{{ $value | humanizeTimestamp }}",
    '{{ printf "%.2f" $value }}',
    '{{ printf "%8.3g|%-6s|%q" $value $labels.i "a\\"b" }}',
    '{{ printf "%e %d %v" $value 7 true }}',
    '{{ $value | printf "%+.1f%%" }}',
    "{{ $labels.i }}{{ .Labels.nothing }}",
    '{{ index $labels "i" }}',
    "{{ $labels.i | toUpper | title }}",
    '{{ reReplaceAll "(.)x" "$1-" $labels.i }}',
    '{{ if match "^a.*" $labels.i }}begins{{ else if eq $labels.i "b" }}is b{{ else }}not{{ end }}',
    "{{ with $labels.i }}[{{ . }}]{{ end }}",
    "{{- /* nothing */ -}} x {{- $y := $labels.i -}} {{ $y }}",
    "{{ $externalLabels.site }} {{ .ExternalLabels.site | len }}",
    '{{ if and (gt $value 1.0) (not (lt $value 2.0)) }}between{{ else }}outside{{ end }}',
    '{{ stripPort "host.example.com:80" }} {{ stripDomain "host.example.com:80" }}',
    '{{ parseDuration "1h30m" }}',
    '{{ tableLink "up{a=\\"b\\"} == 0" }} {{ graphLink "rate(x[5m])" }}',
    '{{ print 1 2 "a" 3 }}{{ println $value }}',
    '{{ or "" $labels.i "z" }} {{ and $labels.i "" }}',
    '{{ "quoted" | printf "%s-%s" `raw` }}',
    '{{ ne $labels.i "ax" }} {{ le 1 2 }} {{ eq $labels.i "b" "ax" }}',
    '{{ urlquery "a b&c=ü" }}',
    "{{ $value | humanize }}{{ $value | humanize1024 }}",
]


@kind
def templates(s, r):
    s.external = {"site": "eu-1", "i": "outside"}
    big = [0.25, 1, 1.5, 1024, 12345.5, 999999, 1e6, 123456789, 0.0009765625, 86461, 7000000000, 3600]
    for name in ["ax", "b", "Zürich"]:
        s.feed(f'm{{i="{name}"}}', [r.choice(big) for _ in range(s.samples)])
    chosen = r.sample(PIECES, 9)
    s.group(
        {
            "alert": "Said",
            "expr": "m > 0",
            "for": s.hold(),
            "labels": {"who": "{{ $labels.i }}", "alertname": "over", "site": "own"},
            "annotations": {f"a{nth}": piece for nth, piece in enumerate(chosen)},
        }
    )


@kind
def chains(s, r):
    for nth in range(4):
        s.feed(f'm{{i="{nth}", job="{nth % 2}"}}', s.flapping(0, 1, 4, "_"))
    s.group(
        {"record": "job:m:sum", "expr": "sum by (job) (m)", "labels": {"level": "job"}},
        {"record": "m:max", "expr": "max(job:m:sum)", "labels": {"job": "all", "empty": ""}},
        {"alert": "Sum", "expr": "job:m:sum > 3", "for": s.hold(), "annotations": {"max": "{{ $value }}"}},
        {"alert": "Max", "expr": "m:max > 5", "for": s.hold()},
        {"alert": "OfAlerts", "expr": 'count(ALERTS{alertname="Sum", alertstate="firing"}) > 0', "for": s.hold()},
        limit=4,
    )


@kind
def groups_in_order(s, r):
    s.feed('m{i="x"}', s.flapping(0, 2))
    s.group({"alert": "Later", "expr": "first > 1", "for": s.hold()}, interval=f"{3 * s.tick_s}s")
    s.group({"record": "first", "expr": "m * 1"}, interval=f"{s.tick_s}s")
    s.group({"alert": "Last", "expr": 'ALERTS{alertname="Later"}', "for": s.hold(), "labels": {"alertstate": ""}})
    s.order = ["g1", "g0", "g2"]


@kind
def counters(s, r):
    for nth in range(2):
        total, values = 4096, []
        for _ in range(s.samples):
            total = 4096 if r.random() < 0.06 else total + r.choice([0, 0, 4, 8, 64])
            values.append("_" if r.random() < 0.05 else total)
        s.feed(f'c_total{{i="{nth}"}}', values)
    span = 4 * s.sample_s + s.sample_s // 3
    s.group(
        {"alert": "Fast", "expr": f"increase(c_total[{span}s]) > 60", "for": s.hold()},
        {"alert": "Reset", "expr": f"resets(c_total[{span}s]) > 0", "for": s.hold(), "keep_firing_for": s.hold()},
        {"alert": "Idle", "expr": f"changes(c_total[{span}s]) == 0", "for": s.hold()},
    )


@kind
def set_operations(s, r):
    for nth in range(3):
        s.feed(f'up{{job="j", i="{nth}"}}', s.flapping(0, 1, 1))
        s.feed(f'm{{i="{nth}"}}', s.flapping(0, 1, 1, "_"))
    s.group(
        {"alert": "Down", "expr": 'up{job="j"} == 0 or m == 0', "for": s.hold()},
        {"alert": "Both", "expr": "up == 0 and on(i) m == 0", "for": s.hold()},
        {"alert": "One", "expr": "up == 0 unless on(i) m == 0", "for": s.hold()},
        {"alert": "Share", "expr": "sum(up) / count(up) < 0.75", "for": s.hold()},
        {"alert": "Never", "expr": "vector(0) > 1"},
        {"alert": "Scalar", "expr": "1", "for": s.hold()},
    )


@kind
def buckets(s, r):
    total = [4096, 4096, 4096]
    columns: list[list] = [[], [], []]
    for _ in range(s.samples):
        slow = r.random() < 0.5
        step = [1, 1, 8] if slow else [7, 8, 8]
        total = [old + new for old, new in zip(total, step)]
        for column, value in zip(columns, total):
            column.append(value)
    for le, column in zip(["1", "2", "+Inf"], columns):
        s.feed(f'd_bucket{{le="{le}"}}', column)
    span = 3 * s.sample_s + s.sample_s // 3
    s.group(
        {"alert": "Slow", "expr": f"histogram_quantile(0.5, sum by (le) (increase(d_bucket[{span}s]))) > 1", "for": s.hold()},
        {"alert": "Share", "expr": f'increase(d_bucket{{le=~"1(\\\\.0)?"}}[{span}s]) / ignoring(le) increase(d_bucket{{le="+Inf"}}[{span}s]) < 0.5', "for": s.hold()},
    )


@kind
def same_name_twice(s, r):
    for nth in range(2):
        s.feed(f'm{{i="{nth}"}}', s.flapping(0, 1, 2, 3))
    s.group(
        {"alert": "Level", "expr": "m > 1", "for": s.hold(), "labels": {"severity": "warning"}},
        {"alert": "Level", "expr": "m > 2", "for": s.hold(), "labels": {"severity": "critical"}},
    )
    s.group({"alert": "Level", "expr": "sum(m) > 4", "for": s.hold(), "labels": {"severity": "sum"}})


@kind
def beyond_the_limit(s, r):
    for nth in range(3):
        s.feed(f'm{{i="{nth}"}}', [0] * (s.samples * nth // 4) + [2] * s.samples)
    s.group({"alert": "Limited", "expr": "m > 1", "for": s.hold()}, limit=2)
    s.fails = True


@kind
def twice_the_same(s, r):
    s.feed('m{i="a"}', [2] * s.samples)
    s.feed('m{i="b"}', ["_"] * r.randrange(1, s.samples * 3 // 4) + [2] * s.samples)
    if r.random() < 0.5:
        s.group({"alert": "Merged", "expr": "m > 1", "labels": {"i": "same"}})
    else:
        s.group({"record": "merged", "expr": "m", "labels": {"i": "same"}})
    s.fails = True
