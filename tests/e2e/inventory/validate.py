"""What `ph_inventory::cyclonedx` writes, held against the official schemas that CycloneDX's own library brings.

The files are the goldens that the crate's test compares byte by byte. Each is then broken, and has to be refused: a
checker that finds nothing in a broken file checks nothing.
"""

import json
import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

GOLDEN = pathlib.Path(__file__).parents[3] / "crates/ph-inventory/tests/golden"


def problems(text: str, version: str) -> list:
    validator = JsonStrictValidator(SchemaVersion.from_version(version))
    return [str(error) for error in (validator.validate_str(text, all_errors=True) or [])]


def main() -> int:
    failed = 0
    files = sorted(GOLDEN.glob("*.cdx.json"))
    for file in files:
        text = file.read_text()
        document = json.loads(text)
        found = problems(text, document["specVersion"])
        document["components"][0]["type"] = "package"
        broken = problems(json.dumps(document), document["specVersion"])
        ok = not found and broken
        failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {file.name}: {found[:3] or ('' if broken else 'a broken file passes')}")
    print(f"{len(files) - failed} passed, {failed} failed")
    return 1 if failed or len(files) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
