from tests.worker.conftest import embedded, system

__all__ = ["embedded", "system"]
