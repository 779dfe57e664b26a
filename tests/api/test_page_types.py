"""The page's TypeScript types of responses agree with the description of the API."""

import re
from pathlib import Path
from typing import Any

from video2mp3.api.application import create_app
from video2mp3.api.frame.services import Services

WEB = Path(__file__).parents[2] / "web" / "src"
INTERFACES = {
    match[1]: dict(re.findall(r"^  (\w+): (.*)$", match[2], re.MULTILINE))
    for path in sorted(WEB.glob("*/types.ts"))
    for match in re.finditer(r"^export interface (\w+) \{\n(.*?)^\}", path.read_text(), re.MULTILINE | re.DOTALL)
}
NAMES = {"Me": "SignedInAccount", "ProblemBody": "Problem"}
NOT_DESCRIBED = {"Progress"}
"""An event of a stream: OpenAPI describes no events."""


def test_the_types_of_the_page_have_the_fields_that_the_api_sends(services: Services) -> None:
    """It should know no other fields, and say of each whether it may be null."""
    schemas: dict[str, Any] = create_app(services).openapi()["components"]["schemas"]
    assert len(INTERFACES) > 20
    for name in INTERFACES.keys() - NOT_DESCRIBED:
        described = schemas[NAMES.get(name, name)]["properties"]
        for field, kind in INTERFACES[name].items():
            assert field in described, f"{name}.{field}"
            may_be_null = {"type": "null"} in described[field].get("anyOf", [])
            # A nested type begins on this line and ends on another.
            assert kind == "{" or kind.endswith("| null;") == may_be_null, f"{name}.{field}"
