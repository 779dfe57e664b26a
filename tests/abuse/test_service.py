"""It should start the service whole, and without a guard where one is named."""

import httpx

from tests.abuse.conftest import StartService, guest
from tests.acceptance.service import Service
from video2mp3.api.frame import health


def without_liveness() -> None:
    """Stands for any guard: the process says that it is alive whatever happens."""
    for route in health.router.routes:
        if getattr(route, "path", "") == "/livez":
            health.router.routes.remove(route)
            return


def test_a_service_has_its_guards(whole_service: Service) -> None:
    with guest(whole_service) as user:
        assert httpx.get(f"{whole_service.url}/livez").status_code == 200
        assert user.get("/v1/me").status_code == 200


def test_a_guard_can_be_taken_out(start_service: StartService) -> None:
    with start_service(without_liveness) as service:
        assert httpx.get(f"{service.url}/livez").status_code == 404
