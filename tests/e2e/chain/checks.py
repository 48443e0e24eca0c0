"""What was looked at, and whether it was right."""

checks = []


def check(name, is_right, why=""):
    checks.append(bool(is_right))
    print(f"{'ok  ' if is_right else 'FAIL'} {name}{'' if is_right else f': {why}'}", flush=True)
    return bool(is_right)
