"""The page, for those who come with a browser."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

FOLDER = Path(__file__).parent / "page"


def page_response() -> Response | None:
    """Returns the page, or None where there is none."""
    index = FOLDER / "index.html"
    return FileResponse(index, headers={"Cache-Control": "no-cache"}) if index.is_file() else None


def prefers_html(request: Request) -> bool:
    """Says whether the caller asks for HTML by name, and for JSON less (RFC 9110, section 12.5.1)."""
    weights = dict(map(_weight, request.headers.get("accept", "").split(",")))
    return weights.get("text/html", 0.0) > weights.get("application/json", 0.0)


def _weight(item: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in item.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0
