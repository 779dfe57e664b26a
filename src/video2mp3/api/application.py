"""The HTTP application."""

import threading
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
from video2mp3.api.conversions import archives, batches, downloads, events, links, shared, split_preview, waveforms
from video2mp3.api.conversions import media_info as probes
from video2mp3.api.conversions import one_call as mp3
from video2mp3.api.conversions import routes as conversions
from video2mp3.api.conversions.event_streams import EventStreams
from video2mp3.api.description import TITLE, complete, introduction, operation_id, webhook_events
from video2mp3.api.description import routes as docs
from video2mp3.api.fairness.callers import Callers
from video2mp3.api.fairness.rates import Rates
from video2mp3.api.frame import health, pages, problems
from video2mp3.api.frame.head import HeadAsGet
from video2mp3.api.frame.parameters import require_known_query
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
    events.router,
    conversions.router,
    downloads.router,
    waveforms.router,
    links.router,
    shared.router,
    uploads.router,
    resumable.router,
    probes.router,
    split_preview.router,
    webhooks.router,
    admin.router,
    admin_users.router,
    invitations.router,
    compat.router,
    compat_accounts.router,
    health.router,
    docs.router,
)


def create_app(services: Services) -> FastAPI:
    """Returns the application that serves the whole API with these services."""
    app = _Application(services.settings.effective_public_url, trust_loopback=services.trust_loopback)
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
    app.state.split_previews = split_preview.new_executor()
    app.state.callers = callers = Callers()
    app.state.readiness = health.ReadinessChecks(services)
    problems.install(app)
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
    # Suppresses the framework's own 422; the description has the problems.
    together = APIRouter(
        responses={"4XX": {}, "5XX": {}}, redirect_slashes=False, generate_unique_id_function=operation_id
    )
    for router in _ROUTERS:
        # Health checks are not rate-limited.
        counted = [] if router is health.router else [Depends(identity.count_anonymous), Depends(require_known_query)]
        together.include_router(router, dependencies=counted)
    together.include_router(pages.router)
    return together.routes


def describe(public_url: str) -> dict[str, Any]:
    """Returns the description of the API of a service with that address, where all have to sign in; starts none."""
    return _Application(public_url, trust_loopback=False).openapi()


class _Application(FastAPI):
    def __init__(self, public_url: str, *, trust_loopback: bool) -> None:
        super().__init__(
            title=TITLE,
            version=__version__,
            description=introduction(trust_loopback=trust_loopback),
            webhooks=webhook_events.router,
            # `description/routes.py` serves them, with our scripts; the framework's page loads its from a CDN.
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            # A redirect would lead to whatever the Host header names.
            redirect_slashes=False,
            root_path_in_servers=False,
        )
        self._public_url = public_url
        self._describing = threading.Lock()
        self.router.routes.extend(_routes())

    def openapi(self) -> dict[str, Any]:
        """Returns the description of the API. Thread-safe."""
        with self._describing:  # `super().openapi()` sets the same attribute, to a description that is incomplete
            if not self.openapi_schema:
                self.openapi_schema = complete(super().openapi(), self._public_url)
            return self.openapi_schema
