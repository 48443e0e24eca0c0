"""What is asked: the rules and dashboards that people write, and random ones."""

import random

from data import BASE_S, HOURS, INSTANCES, TOOLS

WINDOWS = ("1m", "5m", "10m", "30m", "1h")
# Rules, SLOs and panels. Each is asked at several times and over a range.
WRITTEN = """
up
up == 0
up{job="mcp"} == 1
absent(up{job="mcp"})
absent(up{job="none", env="prod"})
absent_over_time(up{job="none"}[5m])
avg_over_time(up[30m]) < 0.99
sum(up) / count(up)
min_over_time(up[5m]) == 0
count by (job) (up == 0) or on () vector(0)
changes(up[1h]) > 1
resets(calls_total[1h])
sum by (tool) (rate(calls_total[5m]))
sum by (tool, outcome) (increase(calls_total[10m]))
sum without (instance) (rate(calls_total[5m]))
sum(rate(calls_total{outcome="error"}[5m])) / sum(rate(calls_total[5m]))
sum by (tool) (rate(calls_total{outcome="error"}[5m])) / sum by (tool) (rate(calls_total[5m])) > 0.03
sum by (tool) (rate(calls_total{outcome="error"}[5m])) / ignoring (outcome) sum by (tool) (rate(calls_total[5m]))
rate(calls_total{outcome="error"}[5m]) / ignoring (outcome) rate(calls_total{outcome="ok"}[5m])
calls_total{outcome="error"} / on (tool, instance) group_left (outcome) calls_total{outcome="ok"}
1 - sum(rate(calls_total{outcome="error"}[1h])) / sum(rate(calls_total[1h]))
(1 - 0.999) * sum(increase(calls_total[1h])) - sum(increase(calls_total{outcome="error"}[1h]))
(sum(rate(calls_total{outcome="error"}[1h])) / sum(rate(calls_total[1h])) > 14.4 * 0.001) and (sum(rate(calls_total{outcome="error"}[5m])) / sum(rate(calls_total[5m])) > 14.4 * 0.001)
max without (window) (sum(rate(calls_total{outcome="error"}[30m])) / sum(rate(calls_total[30m])) or vector(0))
sum_over_time((sum(rate(calls_total{outcome="error"}[5m])) / sum(rate(calls_total[5m])))[1h:1m]) / count_over_time((sum(rate(calls_total[5m])))[1h:1m])
avg_over_time((sum by (tool) (rate(calls_total[5m])))[30m:1m])
max_over_time((rate(calls_total[1m]))[30m:])
quantile_over_time(0.9, sum(rate(calls_total[5m]))[1h:30s])
histogram_quantile(0.5, sum by (le) (rate(call_duration_seconds_bucket[5m])))
histogram_quantile(0.99, sum by (le, tool) (rate(call_duration_seconds_bucket[10m])))
histogram_quantile(0.9, rate(call_duration_seconds_bucket{tool="search"}[1h])) > 1
histogram_quantile(0.9, call_duration_seconds_bucket)
histogram_quantile(1.5, call_duration_seconds_bucket)
histogram_quantile(0.9, call_duration_seconds_bucket{le!="+Inf"})
sum by (tool) (rate(call_duration_seconds_sum[5m])) / sum by (tool) (rate(call_duration_seconds_count[5m]))
sum by (tool) (rate(call_duration_seconds_bucket{le="0.5"}[5m])) / sum by (tool) (rate(call_duration_seconds_count[5m]))
(sum(rate(call_duration_seconds_bucket{le="0.5"}[5m])) + sum(rate(call_duration_seconds_bucket{le="2.5"}[5m]))) / 2 / sum(rate(call_duration_seconds_count[5m]))
sessions / sessions_max
sessions / on (instance) sessions_max > 0.8
sessions > on (instance) group_left sessions_max
sessions_max < on (instance) group_right sessions
sessions > bool sessions_max
avg by (job) (sessions) + on (job) group_right (instance) sessions
predict_linear(memory_bytes[1h], 4 * 3600)
predict_linear(memory_bytes[30m], 3600) > 60000000
deriv(memory_bytes[15m])
delta(memory_bytes[10m])
idelta(memory_bytes[5m])
irate(calls_total[1m])
memory_bytes * on (instance) group_left (version) build_info
count by (version) (build_info)
count_values("version", build_info)
count_values by (job) ("value", up)
topk(3, sum by (tool) (rate(calls_total[5m])))
bottomk(2, sum by (tool, instance) (rate(calls_total[30m])))
topk by (outcome) (1, rate(calls_total[5m]))
quantile by (outcome) (0.75, rate(calls_total[5m]))
stddev(memory_bytes)
stdvar by (job) (sessions)
stddev_over_time(sessions[10m])
stdvar_over_time(memory_bytes[5m])
group by (tool) (calls_total)
count(calls_total) by (outcome)
max by (instance) (sessions) - min by (instance) (sessions)
certificate_not_after_seconds - time() < 86400 * 45
(certificate_not_after_seconds - time()) / 86400
time() - timestamp(up) < 60
timestamp(sessions)
timestamp(sessions * 2)
label_replace(up, "host", "$1", "instance", "(.*):.*")
label_replace(up, "job", "$1-$2", "instance", "gw-(.):(.*)")
label_replace(up, "instance", "", "instance", ".*")
label_join(up, "target", "/", "job", "instance", "missing")
sum by (host) (label_replace(rate(calls_total[5m]), "host", "$1", "instance", "(.*):.*"))
rate(calls_total[5m] offset 1h)
sum(rate(calls_total[5m])) / sum(rate(calls_total[5m] offset 30m)) - 1
calls_total offset -10m
sum_over_time(sessions[10m] offset 5m)
last_over_time(sessions[15m])
present_over_time(sessions[5m])
count_over_time(sessions[10m])
sum_over_time(odd[5m])
avg_over_time(odd{n="2"}[5m])
max_over_time(odd[5m])
min_over_time(odd[5m])
odd > 0
odd == bool 0
odd * 0
-odd
odd % 2
2 ^ odd{n="2"}
sgn(odd)
abs(odd)
max(odd)
min(odd)
sum(odd{n="2"})
avg(odd{n="2"})
topk(1, memory_bytes)
bottomk(1, memory_bytes)
sort(odd)
sort_desc(odd)
round(sessions / 7, 0.5)
round(sessions)
ceil(sessions / 3)
floor(-sessions / 3)
clamp(sessions, 10, 50)
clamp_min(sessions, 10)
clamp_max(sessions, 50)
clamp(sessions, 50, 10)
sqrt(memory_bytes)
ln(memory_bytes)
log2(memory_bytes)
log10(memory_bytes)
exp(sessions / 100)
sin(sessions) + cos(sessions) + tan(sessions)
asin(sessions / 200) + acos(sessions / 200) + atan(sessions)
sinh(sessions / 50) + cosh(sessions / 50) + tanh(sessions / 50)
asinh(sessions) + acosh(sessions + 10) + atanh(sessions / 200)
deg(sessions) + rad(sessions)
(sessions * 1) atan2 sessions_max
sessions ^ 2 % 7
pi() * sessions
minute()
hour(vector(1700000000))
day_of_week(certificate_not_after_seconds)
day_of_month(certificate_not_after_seconds) + month(certificate_not_after_seconds) + year(certificate_not_after_seconds)
days_in_month(certificate_not_after_seconds) + day_of_year(certificate_not_after_seconds)
scalar(sum(up)) + vector(1)
scalar(up)
vector(scalar(count(sessions))) or vector(-1)
up and on (instance) (sessions > 50)
up unless on (instance) (sessions > 50)
sessions > 90 or sessions < 10
sessions > 50 and sessions < 90
up or sessions
{__name__=~"up|sessions", instance=~"gw-1.*"}
{job="mcp", instance!~"gw-2.*", __name__!~"call.*"}
calls_total{tool=~"search|read"} and on (tool) topk(1, sum by (tool) (calls_total))
count({__name__=~".+"}) by (__name__)
sum(calls_total @ end()) by (tool)
sum(calls_total @ start()) by (tool)
rate(calls_total[10m] @ end())
calls_total @ 1767232807
max_over_time(sum(rate(calls_total[5m]))[30m:1m] @ end())
sum(calls_total) - sum(calls_total @ start())
calls_total / calls_total
up == up
calls_total + on (tool) calls_total
sum(nothing) or vector(0)
nothing == 1
1 + 2 * 3 ^ 2 - -4 % 3
1 > bool 2
-2 ^ 2
time() % 3600
"""


def written() -> list[str]:
    return [line for line in WRITTEN.splitlines() if line]


class Generator:
    """Random queries that have an answer: types fit, and one side of a match is unique.

    Left out is what Prometheus 3 does otherwise than 2.42 (ours is 3): how far `rate` reaches back when samples
    begin late in a range and are small, `predict_linear` of a range fixed with `@`, the spread of what is not
    finite, and the parts of a date that is NaN.
    """

    def __init__(self, rng: random.Random):
        self.rng = rng

    def query(self) -> str:
        return self.vector(3)

    def vector(self, depth: int) -> str:
        rng = self.rng
        if depth == 0:
            return self.instant()
        kinds = (
            self.instant,
            lambda: self.over(),
            lambda: self.over(),
            lambda: self.subquery(depth),
            lambda: self.aggregate(depth),
            lambda: self.aggregate(depth),
            lambda: self.arithmetic(depth),
            lambda: self.comparison(depth),
            lambda: self.function(depth),
            lambda: self.sets(depth),
            lambda: self.matched(depth),
        )
        return rng.choice(kinds)()

    def instant(self) -> str:
        rng = self.rng
        matchers = rng.choice(
            (
                "",
                f'tool="{rng.choice(TOOLS)}"',
                f'tool=~"{rng.choice(TOOLS)}|{rng.choice(TOOLS)}|late"',
                f'tool!="{rng.choice(TOOLS)}"',
                f'instance="{rng.choice(INSTANCES)}"',
                'instance!~"gw-1.+"',
                'outcome=~".+r"',
                'missing=""',
            )
        )
        name = rng.choice(("calls_total", "calls_total", "sessions", "memory_bytes", "up"))
        return f"{name}{{{matchers}}}{self.shift()}"

    def shift(self) -> str:
        return self.rng.choice(("", "", "", "", " offset 10m", " offset -5m", " offset 1h", " @ end()"))

    def ranged(self) -> str:
        selector = self.instant()
        at = selector.index("}") + 1
        return f"{selector[:at]}[{self.rng.choice(WINDOWS)}]{selector[at:]}"

    def over(self) -> str:
        rng = self.rng
        name = rng.choice(
            "rate increase delta irate idelta deriv changes resets avg_over_time sum_over_time min_over_time"
            " max_over_time count_over_time last_over_time stddev_over_time stdvar_over_time present_over_time"
            " quantile_over_time predict_linear absent_over_time".split()
        )
        ranged = self.ranged()
        if name in ("rate", "increase"):
            ranged = ranged.replace("sessions", "calls_total").replace("up{", "calls_total{")
        if name == "predict_linear":
            ranged = ranged.replace(" @ end()", "")
        if name == "quantile_over_time":
            return f"{name}({rng.choice((0, 0.1, 0.5, 0.95, 1))}, {ranged})"
        if name == "predict_linear":
            return f"{name}({ranged}, {rng.choice((60, 3600))})"
        return f"{name}({ranged})"

    def subquery(self, depth: int) -> str:
        rng = self.rng
        name = rng.choice("avg sum min max count stddev last".split())
        # A subquery within one would begin where the steps of the outer one are.
        inner = rng.choice((self.instant, self.over))()
        window = rng.choice(("10m", "20m", "40m"))
        step = rng.choice(("", "30s", "1m", "2m"))
        return f"{name}_over_time(({inner})[{window}:{step}])"

    def grouping(self) -> str:
        rng = self.rng
        names = rng.sample(("tool", "instance", "outcome", "job"), rng.randrange(3))
        return f" {rng.choice(('by', 'without'))} ({', '.join(names)}) "

    def aggregate(self, depth: int) -> str:
        rng = self.rng
        name = rng.choice("sum sum avg min max count group stddev stdvar quantile topk bottomk".split())
        inner = self.vector(depth - 1)
        if name in ("stddev", "stdvar"):
            inner = rng.choice((self.instant, self.over))()
        if name == "quantile":
            inner = f"{rng.choice((0, 0.25, 0.5, 0.9))}, {inner}"
        if name in ("topk", "bottomk"):
            # Of equal values either side may choose another: how many, then.
            return f"count({name}{self.grouping()}({rng.randrange(1, 4)}, {inner}))"
        return f"{name}{self.grouping()}({inner})"

    def arithmetic(self, depth: int) -> str:
        rng = self.rng
        op = rng.choice("+ - * / % ^".split())
        other = rng.choice(("2", "0.5", "3", "100", "time()", "scalar(sum(up))"))
        sides = [f"({self.vector(depth - 1)})", other]
        if op != "^" and rng.random() < 0.3:
            sides.reverse()
        return f" {op} ".join(sides)

    def comparison(self, depth: int) -> str:
        rng = self.rng
        op = rng.choice("== != > < >= <=".split()) + rng.choice(("", "", " bool"))
        return f"({self.vector(depth - 1)}) {op} {rng.choice((0, 1, 10, 50, 1000, 150000, 1e7))}"

    def function(self, depth: int) -> str:
        rng = self.rng
        inner = self.vector(depth - 1)
        return rng.choice(
            (
                f"abs({inner})",
                f"-({inner})",
                f"clamp_max({inner}, 1000)",
                f"sgn({inner})",
                f"sqrt(abs({inner}))",
                f"timestamp({inner})",
                f"absent({inner})",
                f'label_replace({inner}, "short", "$1", "instance", "gw-(.).*")',
                f'label_join({inner}, "both", "-", "tool", "instance")',
                f"vector(scalar(count({inner})))",
            )
        )

    def sets(self, depth: int) -> str:
        rng = self.rng
        op = rng.choice(("and", "or", "unless"))
        matching = rng.choice(("", " on (tool)", " on (instance)", " ignoring (outcome)", " on ()"))
        return f"({self.vector(depth - 1)}) {op}{matching} ({self.vector(depth - 1)})"

    def matched(self, depth: int) -> str:
        rng = self.rng
        op = rng.choice("+ - * / > <= ==".split())
        label = rng.choice(("instance", "tool", "job"))
        many = self.vector(depth - 1)
        one = f"sum by ({label}) ({self.vector(depth - 1)})"
        if rng.random() < 0.5:
            return f"({many}) {op} on ({label}) group_left () {one}"
        return f"{one} {op} on ({label}) group_right () ({many})"


def asked(seed: int, random_count: int) -> list[dict]:
    """Queries with their times, in Unix milliseconds."""
    rng = random.Random(seed)
    texts = [(text, index) for index, text in enumerate(written())]
    generator = Generator(rng)
    texts += [(generator.query(), index) for index in range(random_count)]
    wishes = []
    for text, index in texts:
        start = BASE_S + rng.randrange(3600, (HOURS - 1) * 3600, 10) + 7
        wishes.append({"query": text, "start": start * 1000})
        step = rng.choice((20, 60, 300, 600))
        end = start + step * rng.randrange(1, 20)
        wishes.append({"query": text, "start": start * 1000, "end": end * 1000, "step": step * 1000})
    return wishes
