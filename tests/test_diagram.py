"""The picture of the house shows the imports as they are."""

import re
import runpy
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_diagram_shows_every_import_between_rooms_and_no_other() -> None:
    diagram = runpy.run_path(str(DOCS / "diagram.py"))
    drawn = set(re.findall(r'<g id="([a-z]+)-([a-z]+)">', diagram["PICTURE"].read_text()))
    assert drawn == diagram["edges"](), "draw it again: python docs/diagram.py"
