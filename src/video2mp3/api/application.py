"""The HTTP application."""

from functools import cache
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import BaseRoute

from video2mp3 import __version__
from video2mp3.api.accounts import api_keys as keys
from video2mp3.api.accounts import data_export, email_tokens, invitations, own_account, sessions, unsubscribing
from video2mp3.api.accounts import routes as accounts
from video2mp3.api.accounts.open_exports import OpenExports
from video2mp3.api.admin import routes as admin
from video2mp3.api.admin import users as admin_users
from video2mp3.api.auth import identity
from video2mp3.api.auth.scopes import NEEDS
from video2mp3.api.conversions import archives, batches, downloads, events, links, waveforms
from video2mp3.api.conversions import media_info as probes
from video2mp3.api.conversions import one_call as mp3
from video2mp3.api.conversions import routes as conversions
from video2mp3.api.conversions.event_streams import EventStreams
from video2mp3.api.fairness.callers import Callers
from video2mp3.api.fairness.rates import Rates
from video2mp3.api.frame import docs, health, pages, problems
from video2mp3.api.frame.head import HeadAsGet
from video2mp3.api.frame.parameters import require_known_query
from video2mp3.api.frame.schemas import Problem
from video2mp3.api.frame.services import Services
from video2mp3.api.server.connections import Connections
from video2mp3.api.server.prefix import Prefix, prefix_of
from video2mp3.api.server.request_context import RequestContextMiddleware
from video2mp3.api.uploads import routes as uploads
from video2mp3.api.uploads import tus_routes as resumable
from video2mp3.api.uploads.tus import Tus
from video2mp3.api.v0 import accounts as compat_accounts
from video2mp3.api.v0 import routes as compat
from video2mp3.api.webhooks import routes as webhooks

# All routers of the API, in the order of its description.
_ROUTERS = (
    accounts.router,
    sessions.router,
    keys.router,
    email_tokens.router,
    own_account.router,
    data_export.router,
    unsubscribing.router,
    mp3.router,
    archives.router,
    batches.router,
    conversions.router,
    events.router,
    downloads.router,
    waveforms.router,
    links.router,
    uploads.router,
    resumable.router,
    probes.router,
    webhooks.router,
    admin.router,
    admin_users.router,
    invitations.router,
    compat.router,
    compat_accounts.router,
    health.router,
    docs.router,
)

_DESCRIPTION = """Converts video to MP3.

Errors are problem details (RFC 9457, `application/problem+json`) with a stable `code`.

`x-needs` is the permission that each call requires: none (`open`), a session or an API key with that scope (`read`,
`convert`, `admin`), or a session (`account`)."""


def create_app(services: Services) -> FastAPI:
    """Returns the application that serves the whole API with these services."""
    app = _Application(
        title="video2mp3",
        version=__version__,
        description=_DESCRIPTION,
        # `frame/docs.py` needs no external resources; the framework's page loads its scripts from a CDN.
        docs_url=None,
        redoc_url=None,
        # A redirect would lead to whatever the Host header names.
        redirect_slashes=False,
    )
    app.state.services = services
    app.state.rates = Rates(services.settings)
    app.state.connections = Connections(services.settings.proxies)
    app.state.event_streams = EventStreams(
        services.settings.max_user_event_streams, services.settings.max_event_streams
    )
    app.state.waveforms = waveforms.new_executor()
    app.state.exports = data_export.new_executor()
    app.state.open_exports = OpenExports()
    app.state.probes = probes.new_executor()
    app.state.callers = callers = Callers()
    app.state.readiness = health.ReadinessChecks(services)
    problems.install(app)
    app.router.routes.extend(_routes())
    app.add_middleware(HeadAsGet)
    app.add_middleware(Tus)
    # The outermost but for the prefix: it surrounds every response.
    app.add_middleware(RequestContextMiddleware, settings=services.settings, callers=callers)
    if prefix := prefix_of(services.settings.public_url):
        app.add_middleware(Prefix, prefix=prefix)
    return app


@cache
def _routes() -> list[BaseRoute]:
    """The routes of all applications: the framework takes 40 ms of CPU to make them ready for the first request."""
    # Suppresses the framework's own 422; `openapi` describes the problems.
    together = APIRouter(responses={"4XX": {}, "5XX": {}}, redirect_slashes=False)
    for router in _ROUTERS:
        # Health checks are not rate-limited.
        counted = [] if router is health.router else [Depends(identity.count_anonymous), Depends(require_known_query)]
        together.include_router(router, dependencies=counted)
    together.include_router(pages.router)
    return together.routes


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """Returns the description of the API, in which every call can answer with a problem."""
        if not self.openapi_schema:
            schema = super().openapi()
            _describe_problems(schema)
            _describe_needs(schema)
        assert self.openapi_schema is not None
        return self.openapi_schema


def _describe_needs(schema: dict[str, Any]) -> None:
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            operation["x-needs"] = NEEDS.get(f"{method.upper()} {path}", "account")


def _describe_problems(schema: dict[str, Any]) -> None:
    template = "#/components/schemas/{model}"
    described = Problem.model_json_schema(ref_template=template)
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(described.pop("$defs"))
    schemas["Problem"] = described
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": template.format(model="Problem")}}}
    for operations in schema["paths"].values():
        for operation in operations.values():
            operation["responses"]["4XX"] = {
                "description": "The request cannot be served as it is.",
                "content": content,
            }
            operation["responses"]["5XX"] = {"description": "The service failed, or is not ready.", "content": content}
