"""`pilothouse top` in a real terminal."""


def checks(package, run):
    return []
