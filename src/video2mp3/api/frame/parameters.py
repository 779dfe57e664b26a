"""Parameters that several routes share."""

import re
from typing import Annotated, get_origin

from fastapi import Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import AfterValidator

from video2mp3.errors import InvalidRequest, NotFound
from video2mp3.wording import unknown_name


def validate_item_id(item_id: str) -> str:
    """Returns the id of an upload or a conversion; raises NotFound for a malformed one."""
    # A malformed id gets the same response as an unknown one, and never reaches the database.
    if re.fullmatch(r"[0-9a-f]{32}", item_id) is None:
        raise NotFound
    return item_id


ItemId = Annotated[str, AfterValidator(validate_item_id)]
"""The id of an upload or a conversion; raises NotFound for anything else."""

Limit = Annotated[int, Query(ge=1, le=100)]
"""The length of a page of a list."""
Cursor = Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")]
"""The id of the last item of the previous page."""


async def require_known_query(request: Request) -> None:
    """Raises InvalidRequest for a query parameter that the route does not have, or has once: a filter would be ignored.

    The v0 API ignores unknown parameters, and links that users pass on get parameters of others, such as `utm_source`.
    """
    route = request.scope["route"]
    if not isinstance(route, APIRoute) or not route.path.startswith("/v1/") or route.path.startswith(_SHARED):
        return
    if any(parameter["in"] == "query" for parameter in (route.openapi_extra or {}).get("parameters", [])):
        return  # it reads the query itself
    is_list = _query_parameters(route.dependant)
    for name in request.query_params:
        if name not in is_list:
            raise InvalidRequest(f"The query has a parameter that is not known. {unknown_name(name[:64], is_list)}")
        if not is_list[name] and len(request.query_params.getlist(name)) > 1:
            raise InvalidRequest(f"The query has {name} more than once; send one request for each.")


_SHARED = ("/v1/shared/", "/v1/unsubscribe")


def _query_parameters(dependant: Dependant) -> dict[str, bool]:
    """Returns the names of the query's parameters, and whether they may be repeated."""
    found = {each.alias: get_origin(each.field_info.annotation) is list for each in dependant.query_params}
    for dependency in dependant.dependencies:
        found |= _query_parameters(dependency)
    return found
