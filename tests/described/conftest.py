from tests.api.conftest import client, root, serve, services, sign_in, url

__all__ = ["client", "root", "serve", "services", "sign_in", "url"]
