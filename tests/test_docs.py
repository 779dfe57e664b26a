"""The documents tell what the code does."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from tests.telemetry.known import known_metrics
from video2mp3 import errors
from video2mp3.engine.child.refusals import recognize
from video2mp3.engine.refused_formats import REFUSED
from video2mp3.jobs import lifecycle
from video2mp3.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"
TEXTS = DOCS.parent / "web" / "src" / "texts"


def setting_rows() -> list[str]:
    """The rows about settings, as docs/settings.md has to have them."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.is_required() or field.default_factory else field.get_default()
        shown = default.get_secret_value() if hasattr(default, "get_secret_value") else default
        rows.append(f"| `VIDEO2MP3_{name.upper()}` | {f'`{shown}`' if shown != '' else ''} | {field.description} |")
    return rows


def errors_table() -> str:
    """The table of errors, as docs/errors.md has to have it."""
    classes = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.Video2mp3Error)]
    rows = [f"| `{e.code}` | {e.status} | {'yes' if e.retryable else 'no'} | {e().detail} |" for e in classes]
    return "\n".join(["| code | status | try again | what |", "|---|---|---|---|", *rows])


def metrics_table(folder: Path) -> str:
    """The table of metrics, as docs/metrics.md has to have it."""
    rows = [
        f"| `{metric.name}{'_total' if metric.kind == 'counter' else ''}` | {metric.kind} "
        f"| {', '.join(f'`{label}`' for label in metric.labels)} | {metric.text} |"
        for metric in known_metrics(folder)
    ]
    return "\n".join(["| metric | type | labels | what |", "|---|---|---|---|", *rows])


def test_every_metric_is_documented(tmp_path: Path) -> None:
    """It should list each, and none that there is not."""
    text = (DOCS / "metrics.md").read_text()
    assert metrics_table(tmp_path) in text
    assert text.count("| `video2mp3_") == metrics_table(tmp_path / "again").count("| `video2mp3_")


def test_every_setting_is_documented() -> None:
    """It should list each once, with its default, under some heading."""
    lines = (DOCS / "settings.md").read_text().splitlines()
    assert sorted(line for line in lines if line.startswith("| `")) == sorted(setting_rows())


def test_every_error_is_documented() -> None:
    """It should list each with its code, status and sentence."""
    assert errors_table() in (DOCS / "errors.md").read_text()


def test_every_reason_for_a_conversion_to_wait_is_documented() -> None:
    rows = [f"| `{code}` | {sentence} |" for code, sentence in errors.BLOCKED_REASONS.items()]
    assert "\n".join(["| reason | what |", "|---|---|", *rows, ""]) in (DOCS / "errors.md").read_text()
    assert errors.BLOCKED_REASONS.keys() == set(get_args(errors.BlockedReason))


@pytest.mark.parametrize("path", sorted(TEXTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_error_is_explained_on_the_page(path: Path) -> None:
    """It should have a text in every language, in other words than those for programs."""
    texts = json.loads(path.read_text())
    classes = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.Video2mp3Error)]
    assert [e.code for e in classes if not texts.get(f"errors.{e.code}")] == []
    own = {"other_file", "file_lost", "bad_answer", "unexpected", "no_connection", "page_outdated"}
    assert {key.removeprefix("errors.") for key in texts if key.startswith("errors.")} - {
        e.code for e in classes
    } == own


def test_every_kind_of_refused_file_is_explained_on_the_page() -> None:
    """It should know the sentences by their ends, have a text for each in every language, and none that is not said."""
    known = json.loads((TEXTS.parent / "refusals.json").read_text())
    said = {refused.advice for refused in REFUSED if not refused.protected}
    assert said <= set(known.values())
    source = Path(recognize.__file__).read_text()
    assert [end for end in known.values() if end not in said and end not in source] == []
    for path in TEXTS.glob("*.json"):
        assert [key for key in known if f"refused.{key}" not in json.loads(path.read_text())] == [], path


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


def test_the_map_is_the_tree() -> None:
    """It should have every package of the program at its place, and no file that is not there."""
    text = (DOCS.parent / "ARCHITECTURE.md").read_text().split("\n## Map\n")[1].split("```")[1]
    source = DOCS.parent / "src" / "video2mp3"
    folder = source
    packages = set()
    for line in text.splitlines()[2:]:
        if match := re.match(r"( +)(\w+)/ ", line):
            depth = len(match[1]) // 2
            parts = folder.relative_to(source).parts[: depth - 1]
            folder = source.joinpath(*parts, match[2])
            packages.add(folder)
        for name in re.findall(r"\b\w+\.py\b", line):
            assert list(folder.glob(name)) or list(source.glob(name)), f"{folder.name}: {name}"
    assert packages == {file.parent for file in source.rglob("__init__.py")} - {source}


def test_the_files_of_the_questions_exist() -> None:
    """It should name no file under "Where is …" that is not there."""
    root = DOCS.parent
    table = (root / "ARCHITECTURE.md").read_text().split("\n## Where is …\n")[1].split("\n## ")[0]
    paths = re.findall(r"`([\w/.-]+\.(?:css|js|json|py|svelte|ts))`", table)
    assert len(paths) > 15
    assert [
        path for path in paths if not any((top / path).is_file() for top in (root / "src" / "video2mp3", root))
    ] == []


def test_the_table_of_compatibility_has_the_versions_that_the_tests_run() -> None:
    """It should name tests that exist, and the versions that the lock files pin."""
    root = DOCS.parent
    rows = re.findall(
        r"^\| [\w ]+ \| ([^|]+) \| ([^|]+) \| [^|]+ \| \[[^]]+\]\(\.\./([^)]+)\) \|$",
        (DOCS / "compatibility.md").read_text(),
        re.MULTILINE,
    )
    assert len(rows) > 10
    assert [path for _, _, path in rows if not (root / path).exists()] == []
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)", (root / "requirements" / "dev.txt").read_text(), re.MULTILINE))
    for folder in ("postman", "tus"):
        pinned |= json.loads((root / "tests" / folder / "package.json").read_text())["dependencies"]
    shown = {name.split()[0]: version for name, version, _ in rows if name.split()[0] in pinned}
    assert {"newman", "tus-js-client", "tuspy", "moto", "aiosmtpd"} <= shown.keys()
    assert {name: pinned[name] for name in shown} == shown
