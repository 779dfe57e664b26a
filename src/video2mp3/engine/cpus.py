"""The number of processors available to this process."""

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")


def available_cpus(cgroups: Path = CGROUPS, own_group: Path = _OWN_GROUP) -> int:
    """Returns the number of processors that affinity and the container's quota allow, at least one."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([affinity, *_quotas(cgroups, own_group)]))


def _quotas(cgroups: Path, own_group: Path) -> list[int]:
    """Returns the quotas of this process's cgroup and all its ancestors, rounded up."""
    quotas = []
    for hierarchy, group in _groups(own_group):
        folder = cgroups / hierarchy / group.lstrip("/")
        for place in (folder, *folder.parents):
            if not place.is_relative_to(cgroups):
                break
            quotas += _quota(place)
    return quotas


def _groups(own_group: Path) -> list[tuple[str, str]]:
    found = [("", ""), ("cpu", "")]  # in a container, the process sees its cgroup as the root
    try:
        lines = own_group.read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        number, controllers, group = line.split(":", 2)
        if number == "0":
            found.append(("", group))
        elif "cpu" in controllers.split(","):
            found.append(("cpu", group))
    return found


def _quota(folder: Path) -> list[int]:
    """Source: the kernel's cgroup-v2.rst (`cpu.max`) and, for version 1, sched-bwc.rst."""
    try:
        if (v2 := folder / "cpu.max").exists():
            quota, period = v2.read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        return [math.ceil(int(quota) / int(period))] if int(quota) > 0 else []
    except (OSError, ValueError):  # no such group, or no limit: "max"
        return []
