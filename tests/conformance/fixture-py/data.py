"""What both fixture servers offer, as Python values."""

import base64
import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "fixture-data"

SCHEMAS = json.loads((FOLDER / "schemas.json").read_text())
FORMS = SCHEMAS["textForms"]
PNG = base64.b64encode((FOLDER / "pixel.png").read_bytes()).decode()
WAV = base64.b64encode((FOLDER / "silence.wav").read_bytes()).decode()
