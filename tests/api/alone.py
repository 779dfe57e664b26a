"""The API in a process of its own, for measuring its memory: `python -m tests.api.alone FOLDER` prints its port."""

import sys
from pathlib import Path

import uvicorn

from video2mp3.api.application import create_app
from video2mp3.api.frame.services import Services
from video2mp3.database import migrate
from video2mp3.database.connection import Database
from video2mp3.outbound import Guard
from video2mp3.queue.memory import MemoryQueue
from video2mp3.settings import load_settings
from video2mp3.storage.disk import DiskStorage


class Server(uvicorn.Server):
    async def startup(self, sockets: object = None) -> None:
        await super().startup()
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)


def main(folder: Path) -> None:
    settings = load_settings(data_dir=folder)
    database = Database(settings.effective_database_url)
    migrate.upgrade(database)
    storage = DiskStorage(folder / "storage")
    services = Services(settings, database, MemoryQueue(), storage, lambda: None, Guard(), trust_loopback=True)
    Server(uvicorn.Config(create_app(services), port=0, log_config=None, access_log=False)).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
