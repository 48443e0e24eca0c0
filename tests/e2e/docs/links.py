"""Links between the documents: the file is there, and so is the heading."""

import re
from pathlib import Path

LINK = re.compile(r"\]\(([^)\s]+)\)")
ELSEWHERE = ("http://", "https://", "mailto:")


def broken(root: Path, files):
    """[(place, what is wrong)] of every link of the files that leads nowhere."""
    found = []
    for file in files:
        is_code = False
        for number, line in enumerate((root / file).read_text().splitlines(), 1):
            is_code ^= line.lstrip().startswith("```")
            for target in [] if is_code else LINK.findall(re.sub(r"`[^`]*`", "", line)):
                if not target.startswith(ELSEWHERE) and (wrong := wrong_with(root, root / file, target)):
                    found.append((f"{file}:{number}", wrong))
    return found


def wrong_with(root, page, target):
    path, _, heading = target.partition("#")
    aim = (page.parent / path).resolve() if path else page
    if not aim.is_relative_to(root) or not aim.exists():
        return f"`{target}` is not there"
    if heading and aim.suffix == ".md" and heading not in anchors(aim):
        return f"`{target}`: the page has no such heading"
    return None


def anchors(page):
    """The headings of a page as they are linked to."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
