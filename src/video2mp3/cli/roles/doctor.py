"""`video2mp3 doctor`: checks the machine and the settings, and says what to do."""

import io
import platform
import shutil
import tempfile
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import typer

from video2mp3.cli.roles.registration import registration_sentence
from video2mp3.cli.roles.risks import risks
from video2mp3.database import migrate
from video2mp3.database.definitions import check_create
from video2mp3.engine import FileSource, Options, convert
from video2mp3.errors import Unavailable, Video2mp3Error
from video2mp3.queue import Queue
from video2mp3.settings import Settings
from video2mp3.storage import Storage
from video2mp3.wiring import make_mailer, open_database, open_queue, open_storage
from video2mp3.worker.sandbox import require_sandbox


def examine(settings: Settings) -> bool:
    """Prints a line for each check; returns whether all is well."""
    for risk in risks(settings):
        typer.echo(f"warn  safety: {risk}")
    with _without_traces(settings) as copy:
        checks: dict[str, Callable[[], str]] = {
            "machine": lambda: f"Python {platform.python_version()} on {platform.system()} {platform.machine()}",
            "registration": lambda: registration_sentence(settings),
            "disk": lambda: _check_disk(settings),
            "engine": _check_engine,
            "sandbox": lambda: _check_sandbox(settings),
            "database": lambda: check_database(copy),
            "broker": lambda: _check_queue(settings),
            "storage": lambda: check_storage(copy),
            "email": lambda: _check_email(settings),
        }
        failed = [name for name, check in checks.items() if not _run(name, check)]
    if failed:
        typer.echo(f"\n{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}.")
    else:
        typer.echo("\nEverything works.")
    return not failed


@contextmanager
def _without_traces(settings: Settings) -> Iterator[Settings]:
    """Gives settings by which the checks of files that do not exist yet run in temporary folders beside them."""
    with ExitStack() as folders:
        changed: dict[str, object] = {}
        if not settings.data_dir.exists():
            changed["data_dir"] = _stand_in(settings.data_dir, folders)
        if settings.database_url.startswith("sqlite:///"):
            file = Path(settings.database_url.removeprefix("sqlite:///"))
            if not file.exists():
                changed["database_url"] = f"sqlite:///{_stand_in(file, folders)}"
        if settings.storage_url.startswith("file:///"):
            folder = Path(unquote(urlsplit(settings.storage_url).path))
            if not folder.exists():
                changed["storage_url"] = _stand_in(folder, folders).as_uri()
        yield settings.model_copy(update=changed)


def _stand_in(path: Path, folders: ExitStack) -> Path:
    """Returns a path of the same name in a temporary folder of the nearest folder that exists; the path, if none is."""
    parent = path.absolute().parent
    while not parent.exists():
        parent = parent.parent
    try:
        return Path(folders.enter_context(tempfile.TemporaryDirectory(dir=parent, prefix=".video2mp3-"))) / path.name
    except OSError:
        return path  # the check says what is wrong with it


def _run(name: str, check: Callable[[], str]) -> bool:
    try:
        typer.echo(f"ok    {name}: {check()}")
    except Video2mp3Error as error:
        typer.echo(f"FAIL  {name}: {error}")
        return False
    return True


def _check_disk(settings: Settings) -> str:
    folder = settings.data_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < settings.min_free_disk_bytes:
        raise Video2mp3Error(f"Only {free // 1024**2} MiB are free on {folder}; make room or set VIDEO2MP3_DATA_DIR.")
    return f"{free // 1024**3} GiB free on {folder}"


def _check_engine() -> str:
    """Converts a second of silence with the real engine."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "silence.wav"
        with wave.open(str(path), "wb") as out:
            out.setparams((1, 2, 44_100, 0, "NONE", ""))
            out.writeframes(bytes(2 * 44_100))
        with FileSource(path) as source, (Path(folder) / "silence.mp3").open("w+b", io.DEFAULT_BUFFER_SIZE) as sink:
            report = convert(source, sink, Options())
    if report.samples != 44_100:
        raise Video2mp3Error(f"A second of silence became {report.samples} samples; reinstall the package.")
    return "a test conversion is exact to the sample"


def _check_sandbox(settings: Settings) -> str:
    result = require_sandbox(allow_unsandboxed=settings.allow_unsandboxed)
    if not result.passed:
        typer.echo(f"warn  sandbox: {result.sentence}")
    return result.sentence if result.passed else "media is decoded all the same, as the settings or the system want it"


def check_database(settings: Settings) -> str:
    """Writes to the database; returns what was found. Raises Video2mp3Error with what is wrong."""
    database = open_database(settings)
    try:
        database.check()
        revision = migrate.current(database)
        if revision:
            migrate.require_usable(database)
            found = f"tables at revision {revision}, a row was written and deleted"
        else:
            check_create(database)
            # `serve` creates its tables itself.
            if database.dialect != "sqlite":
                migrate.require_current(database)
            found = "no tables yet: `serve` creates them"
    except Unavailable as error:
        raise type(error)(reason=f"{error} ({settings.origin('database_url')})") from None
    finally:
        database.close()
    return f"{database.dialect}, {found}"


def _check_queue(settings: Settings) -> str:
    queue = open_queue(settings)
    _check_and_close(queue, settings.origin("queue_url"))
    return "RabbitMQ" if queue.durable else "in this process"


def check_storage(settings: Settings) -> str:
    """Writes to the storage; returns what was done. Raises Video2mp3Error with what is wrong."""
    _check_and_close(open_storage(settings), settings.origin("storage_url"))
    return "an object was written, read and deleted"


def _check_and_close(backend: Queue | Storage, origin: str) -> None:
    """Raises Unavailable with the name of the setting."""
    try:
        backend.check()
    except Unavailable as error:
        raise type(error)(reason=f"{error} ({origin})") from None
    finally:
        backend.close()


def _check_email(settings: Settings) -> str:
    mailer = make_mailer(settings)
    if mailer is None:
        return "no mail server is set, so none is sent"
    try:
        return mailer.check()
    except Unavailable as error:
        raise type(error)(f"{error} (VIDEO2MP3_SMTP_HOST)") from None
