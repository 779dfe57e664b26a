"""Alerts and dashboard: they ask for what there is, and each alert says what to do."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from tests.deploy.manifests import FOLDER
from tests.deploy.promql import Asked, read
from tests.servers import require_program
from tests.telemetry.known import known_metrics
from video2mp3 import errors
from video2mp3.jobs import lifecycle
from video2mp3.queue import QUEUE_NAMES

MONITORING = FOLDER.parent / "monitoring"
ALERTS = MONITORING / "alerts.yaml"
DOCS = FOLDER.parents[1] / "docs"
# Every target has them from Prometheus; the second is a histogram's own.
ADDED_LABELS = {"instance", "job", "le"}
CODES = {"", *(e.code for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.Video2mp3Error))}
VALUES = {
    "state": {"waiting", "queued", "processing", "finished", "failed", "canceled", "in_use", "idle"},
    "code": CODES,
    "part": {"database", "queue", "storage"},
    "priority": set(get_args(lifecycle.Priority)),
    "queue": set(QUEUE_NAMES),
    "role": {"serve", "api", "worker", "notifier"},
    "status": {"2xx", "3xx", "4xx", "5xx", "none"},
    "stage": {
        "fetch",
        "send",
        "take",
        "convert",
        "open",
        "transcode",
        "check",
        "decode",
        "encode",
        "archive",
        "store",
        "finish",
    },
}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return found


def dashboard_expressions() -> list[str]:
    return [
        target["expr"].replace("$__rate_interval", "5m") for panel in panels() for target in panel.get("targets", [])
    ]


def wrong_in(expression: str, series: dict[str, set[str]]) -> Iterator[str]:
    """What an expression asks for that there is not."""
    selectors, grouped = read(expression)
    if not selectors:
        yield "asks for nothing"
    labels = set[str]().union(*(series.get(asked.name, set()) for asked in selectors))
    yield from (f"groups by {label}" for label in grouped - labels - ADDED_LABELS)
    for asked in selectors:
        if asked.name not in series:
            yield f"no metric {asked.name}"
        yield from (f"{asked.name} has no {name}" for name in set(asked.labels) - series.get(asked.name, set()))
        yield from _wrong_values(asked)


def _wrong_values(asked: Asked) -> Iterator[str]:
    for label, text in asked.labels.items():
        if label in VALUES:
            yield from (f"{label} is never {value}" for value in set(text.split("|")) - VALUES[label])


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The names that queries can ask for, with their labels."""
    known = known_metrics(tmp_path_factory.mktemp("known"))
    found = {name: set(metric.labels) for metric in known for name in metric.series()}
    return found | {"process_resident_memory_bytes": set()}


def test_every_metric_that_is_used_exists(series: dict[str, set[str]]) -> None:
    """It should know each metric, each label and each value of alerts and dashboard."""
    expressions = [*(rule["expr"] for rule in rules()), *dashboard_expressions()]
    assert len(expressions) > 50
    assert {text: wrong for text in expressions if (wrong := list(wrong_in(text, series)))} == {}


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("sum by (state) (video2mp3_jobs)", []),
        ("sum by (stage) (video2mp3_jobs)", ["groups by stage"]),
        ("max(video2mp3_jobs_total)", ["no metric video2mp3_jobs_total"]),
        ('rate(video2mp3_jobs_ended_total{state="failed", code=~"no_audio|nonesuch"}[5m])', ["code is never nonesuch"]),
        ('video2mp3_open_slots{state="queued"} > 1', ["video2mp3_open_slots has no state"]),
        ("video2mp3_jobs_delayed and nonesuch > 2", ["no metric nonesuch"]),
        ("vector(1)", ["asks for nothing"]),
    ],
)
def test_what_does_not_exist_is_found(expression: str, wrong: list[str], series: dict[str, set[str]]) -> None:
    assert list(wrong_in(expression, series)) == wrong


def test_every_metric_is_on_the_dashboard(series: dict[str, set[str]]) -> None:
    """It should show all that is measured: a metric that nobody looks at is not needed."""
    shown = {asked.name for text in dashboard_expressions() for asked in read(text)[0]}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in series}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown} == families


def test_prometheus_takes_the_rules_and_the_dashboards_expressions(tmp_path: Path) -> None:
    promtool = require_program("promtool")
    shown = [{"record": f"shown:{number}", "expr": text} for number, text in enumerate(dashboard_expressions())]
    (tmp_path / "dashboard.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": shown}]}))
    for file in (ALERTS, tmp_path / "dashboard.yaml"):
        subprocess.run([promtool, "check", "rules", file], check=True, capture_output=True)
    (tmp_path / "broken.yaml").write_text(ALERTS.read_text().replace("min by (dependency) (", "min by (dependency ("))
    assert subprocess.run([promtool, "check", "rules", tmp_path / "broken.yaml"], capture_output=True).returncode != 0


def test_alerts_fire_when_they_should_and_not_before() -> None:
    """It should be as tests/deploy/alerts_test.yaml tells, in Prometheus' own test runner."""
    promtool = require_program("promtool")
    file = Path(__file__).parent / "alerts_test.yaml"
    cases = [case for test in yaml.safe_load(file.read_text())["tests"] for case in test["alert_rule_test"]]
    names = {rule["alert"] for rule in rules()}
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == names
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == names
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_says_what_to_do() -> None:
    """It should lead to a section of docs/operations.md, each section to an alert, and both say how urgent it is."""
    text = (DOCS / "operations.md").read_text()
    section = text.split("\n## What pages you\n")[1].split("\n## ")[0]
    headings = dict(re.findall(r"^### (\w+)\n\n\*(\w+)\.\*", section, re.MULTILINE))
    assert headings == {rule["alert"]: rule["labels"]["severity"].capitalize() for rule in rules()}
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["annotations"]["summary"]
    # What it tells to look for in the logs is what the code writes there.
    code = "".join(file.read_text() for file in (DOCS.parent / "src").rglob("*.py"))
    events = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", section))
    assert len(events) > 5
    assert [event for event in events - {"trace_id"} if f'"{event}"' not in code] == []


def test_panels_have_ids_of_their_own_and_do_not_cover_each_other() -> None:
    assert len({panel["id"] for panel in panels()}) == len(panels())
    covered: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & covered, panel["title"]
        covered |= cells
