"""Whether two evaluators said the same: the states of alerts over time, and what was sent of them."""

import json
import re
import urllib.parse
from collections import defaultdict

import scenes
from houses import when

INTERVAL = 1.0
# Two intervals: a change is scraped within one, and what was scraped evaluated within another.
APART_MAX = 2 * INTERVAL
# A pause of ALERTS that is longer is an end and a beginning.
PAUSE = 2.5 * INTERVAL
SHOWN = 15


def states(tally, theirs, ours, began, at):
    """ALERTS of both: every beginning and end within two intervals of the other's."""
    away = [first_tick_after(side, at["stop"]) for side in (theirs, ours)]
    print(
        f"after their restart evaluators ticked at {away[0] - at['start']:.1f} s (Prometheus) and {away[1] - at['start']:.1f} s (we),"
        f" and scraped at {at['scraped'][0] - at['start']:.1f} s and {at['scraped'][1] - at['start']:.1f} s"
    )
    # Until then one of them sees nothing, or what was before.
    blind = (at["stop"] - APART_MAX, max(*away, *at["scraped"]) + APART_MAX)
    # Whoever is back later is later in what it then says.
    late = abs(away[0] - away[1])
    spans = [{labels: intervals([one for one in samples if one[0] > began]) for labels, samples in side.items() if comparable(labels)} for side in (theirs, ours)]
    edges = brief = 0
    wrong, worst = [], 0.0
    for labels in sorted(spans[0].keys() | spans[1].keys()):
        pairs, short = matched(spans[0].get(labels, []), spans[1].get(labels, []))
        brief += short
        for one, other in pairs:
            for which in (0, 1):
                if one is None or other is None:
                    if blind[0] < (one or other)[0] and (one or other)[1] < blind[1]:
                        brief += 1
                        break
                    wrong.append(f"{labels}: only {'Prometheus' if other is None else 'we'}: {shown(one or other, began)}")
                    break
                apart = abs(one[which] - other[which])
                edges += 1
                if blind[0] < one[which] < blind[1] and blind[0] < other[which] < blind[1]:
                    continue
                worst = max(worst, apart)
                if apart > APART_MAX + (late if at["stop"] < one[which] < began + scenes.SETTLED else 0) + waited(labels):
                    wrong.append(f"{labels}: Prometheus {shown(one, began)}, we {shown(other, began)}")
                    break
    for line in wrong[:SHOWN]:
        print(f"DIFFER  {line}")
    series = len(spans[0].keys() | spans[1].keys())
    tally.check(edges and not wrong, f"states: {len(wrong)} of {edges} edges differ") and print(
        f"ok      states: {series} series of ALERTS, {edges} edges, at most {worst:.2f} s apart; {brief} seen by one only, shorter than two intervals or while the other was away"
    )


def comparable(labels):
    labels = json.loads(labels)
    return labels["__name__"] == "ALERTS" and labels["alertname"] not in scenes.DIFFERENT_IN_2


def waited(labels):
    """Prometheus restores after its second tick, so what waited across the restart waits two intervals longer."""
    return 2 * INTERVAL if re.search("S[0-9]+Restart", labels) else 0


def first_tick_after(series, t):
    return min(at for labels, samples in series.items() if '"tick:' in labels for at, _ in samples if at > t + INTERVAL)


def intervals(samples):
    found = []
    for at, _ in samples:
        if found and at - found[-1][1] <= PAUSE:
            found[-1][1] = at
        else:
            found.append([at, at])
    return found


def matched(theirs, ours):
    """Pairs of intervals that overlap or nearly do; one that only one side has is a pair with None, unless brief."""
    pairs, brief, ours = [], 0, list(ours)
    for one in theirs:
        near = [o for o in ours if o[0] <= one[1] + APART_MAX and one[0] <= o[1] + APART_MAX]
        other = min(near, key=lambda o: abs(o[0] - one[0]) + abs(o[1] - one[1]), default=None)
        if other:
            ours.remove(other)
        pairs.append((one, other))
    pairs += [(None, other) for other in ours]
    kept = []
    for one, other in pairs:
        span = one or other
        if (one is None or other is None) and span[1] - span[0] < APART_MAX - INTERVAL:
            brief += 1
        else:
            kept.append((one, other))
    return kept, brief


def shown(span, began):
    return f"{span[0] - began:.2f}..{span[1] - began:.2f}"


def webhooks(tally, catcher, began):
    for receiver in ("default", "pager"):
        theirs, ours = ([(at, body) for at, _, body in catcher.bodies(f"/{side}/{receiver}") if body["groupLabels"]["alertname"] not in scenes.DIFFERENT_IN_2] for side in ("theirs", "ours"))
        compare_bodies(tally, receiver, theirs, ours, began)


def compare_bodies(tally, receiver, theirs, ours, began):
    wrong = []
    for name, bodies in (("Prometheus", theirs), ("we", ours)):
        for at, body in bodies:
            if fault := ill_formed(body):
                wrong.append(f"{name} at {at - began:.1f}: {fault}")
    groups = [{(body["groupKey"], json.dumps(body["groupLabels"], sort_keys=True)) for _, body in side} for side in (theirs, ours)]
    for group in sorted(groups[0] ^ groups[1]):
        wrong.append(f"group of {'Prometheus' if group in groups[0] else 'us'} only: {group}")
    stories = [story(side) for side in (theirs, ours)]
    for labels in sorted(stories[0].keys() | stories[1].keys()):
        one, other = stories[0].get(labels, []), stories[1].get(labels, [])
        if told(one) != told(other):
            wrong.append(f"{labels}\n    Prometheus {brief_story(one, began)}\n    we         {brief_story(other, began)}")
            continue
        for mine, yours in zip(one, other):
            if abs(mine["starts"] - yours["starts"]) > APART_MAX + waited(labels):
                wrong.append(f"{labels}: startsAt is {mine['starts'] - began:.2f} and {yours['starts'] - began:.2f}")
    whole = [{identity(body): plain(body) for _, body in side} for side in (theirs, ours)]
    both = whole[0].keys() & whole[1].keys()
    for one in sorted(both):
        if whole[0][one] != whole[1][one]:
            wrong.append(f"bodies\n    Prometheus {json.dumps(whole[0][one])}\n    we         {json.dumps(whole[1][one])}")
    for line in wrong[:SHOWN]:
        print(f"DIFFER  {line}")
    what = f"webhooks of `{receiver}`"
    tally.check(both and not wrong, f"{what}: {len(wrong)} differences") and print(
        f"ok      {what}: {len(theirs)} and {len(ours)} bodies, {len(groups[0])} groups, {len(stories[0])} alerts with"
        f" {sum(map(len, stories[0].values()))} changes; {len(both)} bodies are equal but for times and addresses"
    )


def ill_formed(body):
    alerts = body["alerts"]
    statuses = {alert["status"] for alert in alerts}
    common = dict(set.intersection(*(set(alert["labels"].items()) for alert in alerts)))
    notes = dict(set.intersection(*(set(alert["annotations"].items()) for alert in alerts)))
    if body["status"] != ("firing" if "firing" in statuses else "resolved"):
        return f"status {body['status']} over {statuses}"
    if body["commonLabels"] != common or body["commonAnnotations"] != notes:
        return f"common parts of {alerts} are {body['commonLabels']} {body['commonAnnotations']}"
    if any(body["groupLabels"].get(name) != alert["labels"].get(name) for alert in alerts for name in ("alertname", "team")):
        return f"group {body['groupLabels']} with {alerts}"
    for alert in alerts:
        if (alert["status"] == "firing") != (when(alert["endsAt"]) is None):
            return f"{alert['status']} with endsAt {alert['endsAt']}"
    return None


def story(bodies):
    """Of each alert what was said in turn, repetitions left out."""
    found = defaultdict(list)
    for at, body in bodies:
        for alert in body["alerts"]:
            said = {
                "status": alert["status"],
                "annotations": alert["annotations"],
                "fingerprint": alert["fingerprint"],
                "query": asked(alert["generatorURL"]),
                "starts": when(alert["startsAt"]),
                "at": at,
            }
            line = found[json.dumps(alert["labels"], sort_keys=True)]
            if not line or told([line[-1]]) != told([said]):
                line.append(said)
    return found


def asked(url):
    """The address of an expression by its parts in any order: Prometheus prints what it has parsed, we what was written."""
    parts = urllib.parse.urlsplit(url)
    form = urllib.parse.parse_qs(parts.query)
    expr = form.pop("g0.expr")[0]
    return parts.path, sorted(form.items()), sorted(re.findall(r'"[^"]*"|[^\s(),]', expr))


def told(line):
    return [{name: said[name] for name in ("status", "annotations", "fingerprint", "query")} for said in line]


def brief_story(line, began):
    return " ".join(f"{said['status']}@{said['at'] - began:.1f}{json.dumps(said['annotations'])}" for said in line)


def identity(body):
    return json.dumps([body["groupKey"], sorted((a["labels"]["alertname"], json.dumps(a["labels"], sort_keys=True), a["status"], json.dumps(a["annotations"], sort_keys=True)) for a in body["alerts"])])


def plain(body):
    """A body without times and addresses, in its own order."""
    alerts = [
        {name: value for name, value in alert.items() if name not in ("startsAt", "endsAt", "generatorURL")} | {"keys": sorted(alert)}
        for alert in body["alerts"]
    ]
    rest = {name: value for name, value in body.items() if name not in ("alerts", "externalURL")}
    return rest | {"alerts": alerts, "keys": sorted(body)}
