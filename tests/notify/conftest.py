from tests.worker.conftest import embedded, soon, system

__all__ = ["embedded", "soon", "system"]
