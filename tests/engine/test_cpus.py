import os
from pathlib import Path

import pytest

from video2mp3.engine.cpus import available_cpus

HERE = len(os.sched_getaffinity(0))


@pytest.fixture
def own_group(tmp_path: Path) -> Path:
    return tmp_path / "own_group"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_a_quota_all_processors_of_the_affinity_count(tmp_path: Path, own_group: Path) -> None:
    assert available_cpus(tmp_path, own_group) == HERE
    write(tmp_path / "cpu.max", "max 100000\n")
    assert available_cpus(tmp_path, own_group) == HERE


@pytest.mark.parametrize(("quota", "cpus"), [("100000 100000", 1), ("50000 100000", 1), ("9900000 100000", HERE)])
def test_the_container_s_quota_counts(quota: str, cpus: int, tmp_path: Path, own_group: Path) -> None:
    write(tmp_path / "cpu.max", quota)
    assert available_cpus(tmp_path, own_group) == cpus


@pytest.mark.skipif(HERE < 2, reason="needs two processors")
def test_the_smallest_quota_on_the_way_up_counts(tmp_path: Path, own_group: Path) -> None:
    write(own_group, "0::/jobs/video2mp3\n")
    write(tmp_path / "jobs" / "video2mp3" / "cpu.max", "max 100000")
    assert available_cpus(tmp_path, own_group) == HERE
    write(tmp_path / "jobs" / "cpu.max", "100000 100000")
    assert available_cpus(tmp_path, own_group) == 1


@pytest.mark.skipif(HERE < 2, reason="needs two processors")
def test_version_1_groups_count(tmp_path: Path, own_group: Path) -> None:
    write(own_group, "4:memory:/other\n3:cpu,cpuacct:/jobs\n")
    write(tmp_path / "cpu" / "jobs" / "cpu.cfs_quota_us", "-1")
    write(tmp_path / "cpu" / "jobs" / "cpu.cfs_period_us", "100000")
    assert available_cpus(tmp_path, own_group) == HERE
    write(tmp_path / "cpu" / "jobs" / "cpu.cfs_quota_us", "90000")
    assert available_cpus(tmp_path, own_group) == 1
