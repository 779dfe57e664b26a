"""The documents tell what the code does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from video2mp3 import errors
from video2mp3.database import migrate
from video2mp3.database.connection import Database
from video2mp3.database.gauges import PoolGauges
from video2mp3.jobs import lifecycle
from video2mp3.jobs.gauges import BacklogGauges
from video2mp3.settings import Settings
from video2mp3.telemetry import metrics
from video2mp3.telemetry.disk import DiskGauges

DOCS = Path(__file__).parents[1] / "docs"


def settings_table() -> str:
    """The table of settings, as docs/settings.md has to have it."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.is_required() or field.default_factory else field.get_default()
        shown = default.get_secret_value() if hasattr(default, "get_secret_value") else default
        rows.append(f"| `VIDEO2MP3_{name.upper()}` | {f'`{shown}`' if shown != '' else ''} | {field.description} |")
    return "\n".join(["| variable | default | what |", "|---|---|---|", *rows])


def errors_table() -> str:
    """The table of errors, as docs/errors.md has to have it."""
    classes = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.Video2mp3Error)]
    rows = [f"| `{e.code}` | {e.status} | {'yes' if e.retryable else 'no'} | {e().detail} |" for e in classes]
    return "\n".join(["| code | status | try again | what |", "|---|---|---|---|", *rows])


def all_metrics(folder: Path) -> Iterator[Any]:
    """Every metric of a process: what the code counts, and what the collectors read; `folder` is for a database."""
    counted = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    database = Database(f"sqlite:///{folder / 'video2mp3.db'}")
    migrate.upgrade(database)
    collectors = (PoolGauges(database), BacklogGauges(database), DiskGauges(folder, 0))
    read = [family for collector in collectors for family in collector.collect()]
    database.close()
    yield from counted
    yield from read


def metrics_table(folder: Path) -> str:
    """The table of metrics, as docs/metrics.md has to have it."""
    rows = []
    for metric in all_metrics(folder):
        kind = getattr(metric, "type", None) or metric._type
        name = getattr(metric, "name", None) or metric._name
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        text = metric.documentation if hasattr(metric, "documentation") else metric._documentation
        rows.append(f"| `{name}{'_total' if kind == 'counter' else ''}` | {kind} | {labels} | {text} |")
    return "\n".join(["| metric | type | labels | what |", "|---|---|---|---|", *rows])


def test_every_metric_is_documented(tmp_path: Path) -> None:
    """It should list each, and none that there is not."""
    text = (DOCS / "metrics.md").read_text()
    assert metrics_table(tmp_path) in text
    assert text.count("| `video2mp3_") == metrics_table(tmp_path / "again").count("| `video2mp3_")


def test_every_setting_is_documented() -> None:
    """It should list each with its default."""
    assert settings_table() in (DOCS / "settings.md").read_text()


def test_every_error_is_documented() -> None:
    """It should list each with its code, status and sentence."""
    assert errors_table() in (DOCS / "errors.md").read_text()


def test_every_error_has_a_code_of_its_own() -> None:
    """It should be possible to tell errors apart by their code."""
    classes = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.Video2mp3Error)]
    assert len({e.code for e in classes}) == len(classes)


def test_every_dependency_is_documented() -> None:
    """It should say of each direct dependency what it is for."""
    text = (DOCS / "dependencies.md").read_text()
    for file in ("runtime.in", "build.in", "dev.in"):
        for line in (DOCS.parent / "requirements" / file).read_text().splitlines():
            if line and not line.startswith("-"):
                name = line.split(";")[0].split(">")[0].strip()
                assert name in text, name


def test_the_states_of_a_job_are_documented_as_the_code_has_them() -> None:
    """It should show the same table in ARCHITECTURE.md as in the code that changes the states."""
    table = (lifecycle.__doc__ or "").split("```text\n")[1].split("```")[0]
    assert table in (DOCS.parent / "ARCHITECTURE.md").read_text()
