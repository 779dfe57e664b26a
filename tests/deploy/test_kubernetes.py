"""The manifests of every overlay: valid, restricted, complete."""

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.api.conftest import Serve, serve, services, settings  # noqa: F401 - fixtures
from tests.deploy.manifests import FOLDER, OVERLAYS, ROLES, Manifest, containers, of_kind, pods, render, selects
from tests.servers import free_port
from video2mp3.api.frame.services import Services
from video2mp3.api.server.hosts import HostRule
from video2mp3.database.tables import Job
from video2mp3.settings import Settings
from video2mp3.wiring import open_queue

VARIABLES = {f"VIDEO2MP3_{name.upper()}" for name in Settings.model_fields}
# What distributed roles cannot do without: their defaults are the embedded mode.
REQUIRED = {"DATABASE_URL", "QUEUE_URL", "STORAGE_URL", "HOST", "PUBLIC_URL"}
FILES = "/run/secrets/"


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return render(request.param, tmp_path_factory.mktemp(request.param))


def test_every_file_is_yaml() -> None:
    files = sorted(FOLDER.rglob("*.yaml"))
    assert len(files) > 15
    for file in files:
        assert all(yaml.safe_load_all(file.read_text())), file


def test_nothing_secret_is_in_the_repository() -> None:
    """It should make all secrets from files, and have none of those files."""
    for file in FOLDER.rglob("*.yaml"):
        assert all(manifest["kind"] != "Secret" for manifest in yaml.safe_load_all(file.read_text())), file
    ignored = (FOLDER.parents[1] / ".gitignore").read_text().split()
    assert "/deploy/kubernetes/overlays/*/secrets/" in ignored


def test_every_manifest_is_valid(overlay: list[Manifest]) -> None:
    """It should have no field that Kubernetes does not know, and none of a wrong type."""
    custom = json.loads((Path(__file__).parent / "keda.schema.json").read_text())
    version = kubernetes_validate.latest_version()
    for manifest in overlay:
        if manifest["apiVersion"].startswith("keda.sh/"):
            jsonschema.validate(manifest, custom[manifest["kind"]] | {"$defs": custom["$defs"]})
        else:
            kubernetes_validate.validate(manifest, version, strict=True)
    broken = of_kind(overlay, "Deployment")[0] | {"replicas": 2}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, version, strict=True)


def test_everything_is_in_one_restricted_namespace(overlay: list[Manifest]) -> None:
    (namespace,) = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for manifest in overlay:
        if manifest is not namespace:
            assert manifest["metadata"]["namespace"] == namespace["metadata"]["name"]


def test_no_container_may_do_more_than_it_needs(overlay: list[Manifest]) -> None:
    """It should be as Pod Security's `restricted` wants it, with a root that cannot be written, and bounded."""
    found = list(containers(overlay))
    assert {owner["metadata"]["name"] for owner, _, _ in found} >= set(ROLES)
    for owner, pod, container in found:
        name = owner["metadata"]["name"]
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        for bound in ("requests", "limits"):
            assert {"cpu", "memory"} <= set(container["resources"][bound]), name
        if container in pod["containers"]:
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), name
        assert not pod.get("hostNetwork"), name
        # A Service named video2mp3 would set VIDEO2MP3_PORT otherwise.
        assert pod["enableServiceLinks"] is False, name
        assert not any("hostPath" in volume for volume in pod.get("volumes", [])), name


def test_no_pod_gets_a_token(overlay: list[Manifest]) -> None:
    """It should run as a service account of its own that has none."""
    accounts = {account["metadata"]["name"]: account for account in of_kind(overlay, "ServiceAccount")}
    for owner, template in pods(overlay):
        assert template["spec"]["automountServiceAccountToken"] is False
        account = accounts[template["spec"]["serviceAccountName"]]
        assert account["automountServiceAccountToken"] is False
        assert account["metadata"]["name"] == owner["metadata"]["name"]


def environment(overlay: list[Manifest], container: Manifest) -> dict[str, str]:
    """The variables of a container, from its ConfigMaps and its own."""
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(overlay, "ConfigMap")}
    variables: dict[str, str] = {}
    for source in container.get("envFrom", []):
        variables |= maps[source["configMapRef"]["name"]]
    return variables | {each["name"]: each["value"] for each in container.get("env", [])}


def mounted(overlay: list[Manifest], pod: Manifest, container: Manifest) -> dict[str, str]:
    """The files that a container gets from Secrets: path and text."""
    secrets = {each["metadata"]["name"]: each["data"] for each in of_kind(overlay, "Secret")}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    found = {}
    for mount in container["volumeMounts"]:
        if "secret" in volumes.get(mount["name"], ()):
            for key, value in secrets[volumes[mount["name"]]["secret"]["secretName"]].items():
                text = base64.b64decode(value).decode()
                if "subPath" not in mount:
                    found[f"{mount['mountPath']}/{key}"] = text
                elif key == mount["subPath"]:
                    found[mount["mountPath"]] = text
    return found


def ours(overlay: list[Manifest]) -> Iterator[tuple[Manifest, Manifest, Manifest]]:
    for owner, pod, container in containers(overlay):
        if owner["metadata"]["name"] in ROLES:
            yield owner, pod, container


def peak_requests(overlay: list[Manifest], resource: str) -> float:
    """What all pods ask for while every Deployment rolls at once: cores, or MiB."""
    least = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"] for each in of_kind(overlay, "HorizontalPodAutoscaler")
    }
    total = 0.0
    for owner, template in pods(overlay):
        spec, name = template["spec"], owner["metadata"]["name"]
        running = sum(quantity(each["resources"]["requests"][resource]) for each in spec["containers"])
        first = [quantity(each["resources"]["requests"][resource]) for each in spec.get("initContainers", [])]
        replicas = owner["spec"].get("replicas") or least.get(name, {}).get("minReplicas", 1)
        surge = owner["spec"]["strategy"]["rollingUpdate"]["maxSurge"] if owner["kind"] == "Deployment" else 0
        total += (replicas + surge) * max([running, *first])
    return total


def quantity(text: object) -> float:
    """A quantity of Kubernetes: cores, or MiB."""
    number = str(text)
    for suffix, factor in (("Mi", 1), ("Gi", 1024), ("m", 0.001)):
        if number.endswith(suffix):
            return float(number.removesuffix(suffix)) * factor
    return float(number)


def test_every_key_is_a_setting(overlay: list[Manifest]) -> None:
    """It should know every variable and every secret, and every file that is named should be mounted."""
    for owner, pod, container in ours(overlay):
        name = owner["metadata"]["name"]
        variables, files = environment(overlay, container), mounted(overlay, pod, container)
        for variable, value in variables.items():
            assert variable.removesuffix("_FILE") in VARIABLES, f"{name}: {variable}"
            if variable.endswith("_FILE"):
                assert files[value], f"{name}: {value}"
        assert {Path(path).name for path in files} <= VARIABLES, name
        assert set(files) == {value for value in variables.values() if value.startswith(FILES)}, name


def test_every_required_setting_is_given(overlay: list[Manifest]) -> None:
    """It should name the three parts, once: as a value or as a file, never both; and the values should be taken."""
    found = list(ours(overlay))
    assert {owner["metadata"]["name"] for owner, _, _ in found} == set(ROLES)
    for _, _, container in found:
        variables = environment(overlay, container)
        names = [name.removesuffix("_FILE").removeprefix("VIDEO2MP3_") for name in variables]
        assert set(names) >= REQUIRED
        assert len(names) == len(set(names))
        values = {name: value for name, value in variables.items() if not name.endswith("_FILE")}
        Settings.model_validate({name.removeprefix("VIDEO2MP3_").lower(): value for name, value in values.items()})


def test_no_map_and_no_secret_is_made_for_nobody(overlay: list[Manifest]) -> None:
    """It should use each ConfigMap and each key of each Secret, and the servers inside should find their files."""
    used = {source["configMapRef"]["name"] for _, _, each in containers(overlay) for source in each.get("envFrom", [])}
    assert {each["metadata"]["name"] for each in of_kind(overlay, "ConfigMap")} == used
    used = {
        volume["secret"]["secretName"]
        for _, pod in pods(overlay)
        for volume in pod["spec"].get("volumes", [])
        if "secret" in volume
    }
    used |= {tls["secretName"] for ingress in of_kind(overlay, "Ingress") for tls in ingress["spec"].get("tls", [])}
    for authentication in of_kind(overlay, "TriggerAuthentication"):
        for target in authentication["spec"]["secretTargetRef"]:
            used.add(target["name"])
            (secret,) = [each for each in of_kind(overlay, "Secret") if each["metadata"]["name"] == target["name"]]
            assert set(secret["data"]) == {target["key"]}
    assert {each["metadata"]["name"] for each in of_kind(overlay, "Secret")} == used
    for owner, pod, container in containers(overlay):
        if owner["kind"] == "StatefulSet":
            named = {each["value"] for each in container.get("env", []) if each["name"].endswith("_FILE")}
            named |= {mount["mountPath"] for mount in container["volumeMounts"] if "subPath" in mount}
            assert set(mounted(overlay, pod, container)) == named


def test_rolling_updates_wait_for_what_runs(overlay: list[Manifest]) -> None:
    """It should give each role its whole drain, start the new before the old ends, and keep most while a node goes."""
    budgets = {each["metadata"]["name"] for each in of_kind(overlay, "PodDisruptionBudget")}
    for deployment in of_kind(overlay, "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        drain_s = int(environment(overlay, container)["VIDEO2MP3_DRAIN_GRACE_S"])
        before_s = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pod["terminationGracePeriodSeconds"] >= drain_s + before_s + 20
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        assert deployment["metadata"]["name"] in budgets
        assert pod["topologySpreadConstraints"]
    (api,) = [each for each in of_kind(overlay, "Deployment") if each["metadata"]["name"] == "api"]
    assert api["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] >= 5


def test_every_role_is_asked_for_its_metrics(overlay: list[Manifest]) -> None:
    """It should serve them on the port that Prometheus is told, away from the one for users."""
    for deployment in of_kind(overlay, "Deployment"):
        template = deployment["spec"]["template"]
        (container,) = template["spec"]["containers"]
        variables, annotations = environment(overlay, container), template["metadata"]["annotations"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert annotations["prometheus.io/scrape"] == "true"
        assert annotations["prometheus.io/port"] == variables["VIDEO2MP3_METRICS_PORT"] == str(ports["metrics"])
        assert variables["VIDEO2MP3_METRICS_HOST"] == "0.0.0.0"
        assert ports["metrics"] != ports.get("http")


def egress(overlay: list[Manifest], labels: dict[str, str]) -> dict[int, list[Manifest]]:
    """The ports that pods with these labels may connect to, with where."""
    allowed: dict[int, list[Manifest]] = {}
    for policy in of_kind(overlay, "NetworkPolicy"):
        if selects(policy["spec"]["podSelector"], labels):
            for rule in policy["spec"].get("egress", []):
                for port in rule["ports"]:
                    allowed.setdefault(port["port"], []).extend(rule["to"])
    return allowed


def test_the_worker_reaches_its_parts_and_nothing_else(overlay: list[Manifest]) -> None:
    """It should be names, database, broker and storage, each at its place; and only Prometheus may call a worker."""
    (denied,) = [each for each in of_kind(overlay, "NetworkPolicy") if each["metadata"]["name"] == "default-deny"]
    assert denied["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (worker,) = [template for owner, template in pods(overlay) if owner["metadata"]["name"] == "worker"]
    labels = worker["metadata"]["labels"]
    allowed = egress(overlay, labels)
    inside = bool(of_kind(overlay, "StatefulSet"))
    assert set(allowed) == ({53, 3306, 5672} if inside else {53, 3306, 5672, 443})
    for port, places in allowed.items():
        assert places
        for place in places:
            assert place.get("podSelector") or place["ipBlock"]["cidr"] != "0.0.0.0/0", port
    calls = [
        rule
        for policy in of_kind(overlay, "NetworkPolicy")
        if selects(policy["spec"]["podSelector"], labels)
        for rule in policy["spec"].get("ingress", [])
    ]
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert calls == [{"from": [monitoring], "ports": [{"port": "metrics"}]}]
    # A control: the notifier may do more, where there is mail.
    assert inside or 587 in egress(overlay, labels | {"app.kubernetes.io/component": "notifier"})


def test_servers_inside_take_only_our_roles(overlay: list[Manifest]) -> None:
    """It should let database and broker be called by the four roles on their own port, and by nothing else."""
    for owner in of_kind(overlay, "StatefulSet"):
        labels = owner["spec"]["template"]["metadata"]["labels"]
        rules = [
            rule
            for policy in of_kind(overlay, "NetworkPolicy")
            if selects(policy["spec"]["podSelector"], labels)
            for rule in policy["spec"].get("ingress", [])
        ]
        (rule,) = rules
        (peer,) = rule["from"]
        for name in (*ROLES, "mysql", "rabbitmq"):
            called = selects(peer["podSelector"], {"app.kubernetes.io/component": name})
            assert called == (name in ROLES), name
        (port,) = rule["ports"]
        assert port["port"] == owner["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"]


def test_services_and_scalers_find_their_pods(overlay: list[Manifest]) -> None:
    """It should select the pods that are there, by their labels and names."""
    templates = [template["metadata"]["labels"] for _, template in pods(overlay)]
    names = {owner["metadata"]["name"] for owner, _ in pods(overlay)}
    for service in of_kind(overlay, "Service"):
        assert any(selects({"matchLabels": service["spec"]["selector"]}, labels) for labels in templates)
    for scaler in of_kind(overlay, "HorizontalPodAutoscaler", "ScaledObject"):
        assert scaler["spec"]["scaleTargetRef"]["name"] in names
        (scaled,) = [
            each
            for each in of_kind(overlay, "Deployment")
            if each["metadata"]["name"] == scaler["spec"]["scaleTargetRef"]["name"]
        ]
        # Else each apply would set the number back.
        assert "replicas" not in scaled["spec"]


def test_workers_are_scaled_by_rows(tmp_path: Path) -> None:
    """It should count what waits and what runs, in the table that there is, by the slots of a pod."""
    manifests = render("autoscale", tmp_path)
    (scaler,) = of_kind(manifests, "ScaledObject")
    (trigger,) = scaler["spec"]["triggers"]
    query = "SELECT COUNT(*) FROM jobs WHERE state IN ('queued', 'processing')"
    assert trigger["metadata"]["query"] == query
    assert Job.__tablename__ == "jobs"
    assert "state" in Job.__table__.columns
    (worker,) = [c for owner, _, c in containers(manifests) if owner["metadata"]["name"] == "worker"]
    assert trigger["metadata"]["queryValue"] == environment(manifests, worker)["VIDEO2MP3_WORKER_SLOTS"]


def test_a_volume_keeps_the_modes_that_its_server_needs(overlay: list[Manifest]) -> None:
    """It should not open the files of a volume to the group again at each start: RabbitMQ refuses such a cookie."""
    for owner, template in pods(overlay):
        security = template["spec"]["securityContext"]
        assert security["fsGroupChangePolicy"] == "OnRootMismatch", owner["metadata"]["name"]
    for owner in of_kind(overlay, "StatefulSet"):
        if owner["metadata"]["name"] == "rabbitmq":
            (repair,) = owner["spec"]["template"]["spec"]["initContainers"]
            assert "chmod 0400 /var/lib/rabbitmq/.erlang.cookie" in repair["command"][-1]
            assert {"name": "data", "mountPath": "/var/lib/rabbitmq"} in repair["volumeMounts"]


def test_the_cookie_of_an_earlier_pod_is_closed(tmp_path: Path) -> None:
    """It should run the manifest's own command: on a cookie that is open to the group, and without one."""
    (repair,) = [c for _, _, c in containers(render("local", tmp_path)) if c["name"] == "cookie"]
    cookie = tmp_path / ".erlang.cookie"
    command = [text.replace("/var/lib/rabbitmq", str(tmp_path)) for text in repair["command"]]
    subprocess.run(command, check=True)
    assert not cookie.exists()
    cookie.write_text("secret")
    cookie.chmod(0o440)
    subprocess.run(command, check=True)
    assert cookie.stat().st_mode & 0o777 == 0o400


@pytest.fixture
def without_broker(settings: Settings, services: Services, serve: Serve) -> Iterator[str]:  # noqa: F811
    """The address of an API whose broker refuses connections."""
    away = settings.model_copy(update={"queue_url": f"amqp://guest:guest@127.0.0.1:{free_port()}/"})
    queue = open_queue(away)
    try:
        yield serve(replace(services, queue=queue))
    finally:
        queue.close()


def test_an_outage_of_the_broker_takes_no_pod_out_and_restarts_none(
    overlay: list[Manifest], without_broker: str
) -> None:
    """It should probe the API by paths that answer without the broker, and the others by their loops alone."""
    for owner, _, container in ours(overlay):
        if container["name"] == "migrate":
            continue
        role = owner["metadata"]["name"]
        probes = {name: container[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
        if role == "api":
            paths = {name: probe["httpGet"]["path"] for name, probe in probes.items()}
            assert paths == {"startup": "/livez", "readiness": "/readyz", "liveness": "/livez"}
            for path in set(paths.values()):
                assert httpx.get(f"{without_broker}{path}", timeout=30).status_code == 200, path
            dependencies = httpx.get(f"{without_broker}/readyz", timeout=30).json()["dependencies"]
            assert dependencies == {"database": "ok", "queue": "unavailable", "storage": "ok"}
        else:
            assert {tuple(probe["exec"]["command"]) for probe in probes.values()} == {("video2mp3", "health", role)}
            # Where there is a port for metrics, no server is asked.
            assert environment(overlay, container)["VIDEO2MP3_METRICS_PORT"]


def test_a_second_apply_changes_what_it_may(overlay: list[Manifest], tmp_path: Path) -> None:
    """It should have no Job, whose template cannot be changed, as its ConfigMaps and Secrets get new names."""
    assert of_kind(overlay, "Job") == []
    (migrate,) = [c for owner, _, c in containers(overlay) if c["name"] == "migrate"]
    assert migrate["args"] == ["migrate"]
    (api,) = [owner for owner in of_kind(overlay, "Deployment") if owner["metadata"]["name"] == "api"]
    assert migrate in api["spec"]["template"]["spec"]["initContainers"]
    # Names that a hash is added to are only in what may be changed.
    hashed = {each["metadata"]["name"] for each in of_kind(overlay, "ConfigMap", "Secret")}
    for manifest in overlay:
        text = json.dumps(manifest.get("spec", {}).get("volumeClaimTemplates", ""))
        assert not any(name in text for name in hashed)


def test_roles_wait_for_what_starts_beside_them(overlay: list[Manifest]) -> None:
    """It should wait for the servers and the tables in the process, for less time than the startup probe gives."""
    for owner, pod, container in ours(overlay):
        wait_s = int(environment(overlay, container)["VIDEO2MP3_STARTUP_WAIT_S"])
        assert wait_s >= 120
        if container in pod["containers"]:
            probe = container["startupProbe"]
            assert probe["periodSeconds"] * probe["failureThreshold"] > wait_s, owner["metadata"]["name"]


def test_the_deployments_own_names_are_answered(overlay: list[Manifest]) -> None:
    """It should answer requests by the Service's names inside the cluster, and none by another site's."""
    (namespace,) = of_kind(overlay, "Namespace")
    (service,) = [each for each in of_kind(overlay, "Service") if each["metadata"]["name"] == "api"]
    (container,) = [c for owner, pod, c in ours(overlay) if c["name"] == "api"]
    values = {
        name.removeprefix("VIDEO2MP3_").lower(): value
        for name, value in environment(overlay, container).items()
        if not name.endswith("_FILE")
    }
    rule = HostRule(Settings.model_validate(values))
    name = f"{service['metadata']['name']}.{namespace['metadata']['name']}"
    public = urlsplit(values["public_url"]).hostname
    for host in ("api", name, f"{name}.svc", f"{name}.svc.cluster.local", public, "localhost:8000"):
        assert rule.allows({"type": "http", "path": "/", "headers": [(b"host", str(host).encode())]}), host
    assert not rule.allows({"type": "http", "path": "/", "headers": [(b"host", b"elsewhere.example")]})


def test_the_local_overlay_fits_a_small_node(tmp_path: Path) -> None:
    """It should leave a node of 2 cores and 4 GiB what Kubernetes itself asks for, also while everything rolls."""
    overlay = render("local", tmp_path)
    assert peak_requests(overlay, "cpu") < 1.0
    assert peak_requests(overlay, "memory") < 3 * 1024
    # A control: this is what it was before.
    (worker,) = [c for owner, _, c in containers(overlay) if c["name"] == "worker"]
    worker["resources"]["requests"]["cpu"] = 2
    assert peak_requests(overlay, "cpu") > 4


def test_names_are_resolved_by_a_cache_on_the_node_too(overlay: list[Manifest]) -> None:
    places = egress(overlay, {"app.kubernetes.io/component": "api"})[53]
    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in places
    assert any("podSelector" in place for place in places)


def test_the_api_is_reached_from_the_nodes_network_too(overlay: list[Manifest]) -> None:
    """It should let an Ingress controller in that runs on the host's network, where no selector finds it."""
    (policy,) = [each for each in of_kind(overlay, "NetworkPolicy") if each["metadata"]["name"] == "api"]
    assert policy["spec"]["ingress"] == [{"ports": [{"port": "http"}]}]
