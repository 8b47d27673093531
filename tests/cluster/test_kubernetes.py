"""The manifests are what KubeRay accepts, and whatever people get wrong in such manifests is found, once each."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from sensorium_ray.cluster.findings import Finding
from sensorium_ray.cluster.kubernetes import check_manifests
from sensorium_ray.cluster.quantities import amount

CLUSTER = Path(__file__).parents[2] / "cluster"
FILES = sorted((CLUSTER / "kuberay").glob("*.yaml"))

Document = dict[str, Any]


def read(name: str) -> Document:
    """First document of one of our files."""
    return next(yaml.safe_load_all((CLUSTER / "kuberay" / f"{name}.yaml").read_text()))


def found(*documents: Document) -> list[str]:
    return [
        f"{finding.severity}: {finding.where}: {finding.what}; {finding.mend}"
        for finding in check_manifests(documents, "f.yaml")
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_our_own_have_no_findings(file: Path) -> None:
    assert check_manifests(list(yaml.safe_load_all(file.read_text())), file.name) == []


def test_fault_tolerance_as_the_comment_has_it_has_no_findings() -> None:
    text = (CLUSTER / "kuberay" / "endpoint.yaml").read_text()
    block = text[text.index("        # gcsFaultToleranceOptions") : text.index("        headGroupSpec")]
    document = yaml.safe_load(text.replace(block, block.replace("        # ", "        ")))
    options = document["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"]
    assert options["redisPassword"]["valueFrom"]["secretKeyRef"] == {"name": "sensorium-redis", "key": "password"}
    assert found(document) == []


def test_the_endpoint_is_that_of_serve_yaml() -> None:
    written = yaml.safe_load((CLUSTER / "serve.yaml").read_text())
    ours = yaml.safe_load(read("endpoint")["spec"]["serveConfigV2"])
    written["applications"][0]["args"]["bundles"] = ours["applications"][0]["args"]["bundles"]
    assert ours == written


def test_every_node_of_the_endpoint_has_the_environment_that_serve_yaml_tells() -> None:
    lines = re.findall(r"#   export ([A-Z_]+)=([^\s\"]+)", (CLUSTER / "serve.yaml").read_text())
    told = dict(lines)
    spec = read("endpoint")["spec"]["rayClusterConfig"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        [container] = group["template"]["spec"]["containers"]
        assert {variable["name"]: variable["value"] for variable in container["env"]} == told


def containers(value: object) -> Iterator[tuple[Document, Document]]:
    """Every pod and each of its containers, however deep."""
    if isinstance(value, dict):
        for container in value.get("containers", []):
            yield value, container
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from containers(part)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_pod_of_ours_runs_as_root_or_without_bounds(file: Path) -> None:
    for pod, container in containers(list(yaml.safe_load_all(file.read_text()))):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        assert {"cpu", "memory"} <= set(container["resources"]["limits"]) & set(container["resources"]["requests"])


@pytest.mark.parametrize("name", ["score", "sweep"])
def test_what_submits_a_job_is_let_in(name: str) -> None:
    *_, policy = yaml.safe_load_all((CLUSTER / "kuberay" / "namespace.yaml").read_text())
    [rule] = [rule for rule in policy["spec"]["ingress"] if rule.get("ports") == [{"port": 8265}]]
    labels = read(name)["spec"]["submitterPodTemplate"]["metadata"]["labels"]
    assert rule["from"] == [{"podSelector": {"matchLabels": labels}}]


def head(document: Document) -> Document:
    return document["spec"]["headGroupSpec"]


def worker(document: Document) -> Document:
    return document["spec"]["workerGroupSpecs"][0]


def container(group: Document) -> Document:
    return group["template"]["spec"]["containers"][0]


def of_head(change: Callable[[Document], object]) -> Callable[[Document], object]:
    return lambda document: change(head(document))


def of_worker(change: Callable[[Document], object]) -> Callable[[Document], object]:
    return lambda document: change(worker(document))


def of_spec(change: Callable[[Document], object]) -> Callable[[Document], object]:
    return lambda document: change(document["spec"])


def image(name: str) -> Callable[[Document], object]:
    return of_worker(lambda group: container(group).update(image=name))


WRONG_CLUSTERS: dict[str, tuple[Callable[[Document], object], str]] = {
    "a misspelt field": (
        of_spec(lambda spec: spec.update(authOption=spec.pop("authOptions"))),
        "error: f.yaml, RayCluster sensorium, spec: 'authOption' is no field of it; did you mean 'authOptions'?",
    ),
    "a misspelt field, deep down": (
        of_worker(lambda group: container(group).update(volumeMount=[])),
        "error: f.yaml, RayCluster sensorium, spec.workerGroupSpecs[0].template.spec.containers[0]: "
        "'volumeMount' is no field of it; did you mean 'volumeMounts'?",
    ),
    "a missing field": (
        of_worker(lambda group: group.pop("groupName")),
        "error: f.yaml, RayCluster sensorium, spec.workerGroupSpecs[0]: 'groupName' is missing; add it",
    ),
    "text for a number": (
        of_worker(lambda group: group.update(minReplicas="none")),
        'spec.workerGroupSpecs[0].minReplicas: is "none", where a whole number is wanted',
    ),
    "a broken number for a quantity": (
        of_worker(lambda group: container(group)["resources"]["limits"].update(cpu=0.5)),
        "limits.cpu: is 0.5, where a whole number or a string is wanted; put it in quotes",
    ),
    "a choice that there is not": (
        of_spec(lambda spec: spec["authOptions"].update(mode="tokens")),
        'spec.authOptions.mode: is "tokens"; it may be disabled, token',
    ),
    "no specification": (lambda document: document.pop("spec"), "RayCluster sensorium: 'spec' is missing"),
    "an old version of the API": (
        lambda document: document.update(apiVersion="ray.io/v1alpha1"),
        "apiVersion: is ray.io/v1alpha1, and KubeRay 1.7.0 has ray.io/v1; write ray.io/v1",
    ),
    "a misspelt kind": (
        lambda document: document.update(kind="RayClusters"),
        "'RayClusters' is no kind that is known here; did you mean 'RayCluster'?",
    ),
    "another Ray": (
        of_spec(lambda spec: spec.update(rayVersion="2.53.0")),
        "spec.rayVersion: is 2.53.0, and this project runs Ray 2.60.0",
    ),
    "no Ray": (
        of_spec(lambda spec: spec.pop("rayVersion")),
        "spec.rayVersion: is missing, and this project runs Ray 2.60.0",
    ),
    "another Ray in the project's image": (
        image("registry.example.com/sensorium-ray:0.1.0-ray2.53.0"),
        "image of the worker group 'gpu': 'registry.example.com/sensorium-ray:0.1.0-ray2.53.0' brings Ray 2.53.0",
    ),
    "another Ray in Ray's image": (
        image("rayproject/ray:2.53.0-py311-gpu"),
        "'rayproject/ray:2.53.0-py311-gpu' brings Ray 2.53.0, and rayVersion is 2.60.0",
    ),
    "another version of the project": (
        image("registry.example.com/sensorium-ray:0.0.1-ray2.60.0"),
        "warning: f.yaml, RayCluster sensorium, spec, image of the worker group 'gpu': "
        "'registry.example.com/sensorium-ray:0.0.1-ray2.60.0' brings sensorium-ray 0.0.1",
    ),
    "no tag": (
        image("registry.example.com:5000/lab"),
        "'registry.example.com:5000/lab' has no tag, which means latest",
    ),
    "latest": (
        image("lab/sensorium-ray:latest"),
        "'lab/sensorium-ray:latest' is another program whenever it is built anew",
    ),
    "no image": (of_worker(lambda group: container(group).pop("image")), "containers[0].image: names no image"),
    "no token": (of_spec(lambda spec: spec.pop("authOptions")), "spec.authOptions: does not ask for a token"),
    "a token switched off": (
        of_spec(lambda spec: spec["authOptions"].update(mode="disabled")),
        "spec.authOptions: does not ask for a token",
    ),
    "a head for all the world": (
        of_head(lambda group: group.update(serviceType="LoadBalancer")),
        "spec.headGroupSpec.serviceType: is LoadBalancer, which shows the dashboard",
    ),
    "a head's own service for all the world": (
        of_head(lambda group: group.update(headService={"spec": {"type": "NodePort"}})),
        "spec.headGroupSpec.headService: is NodePort, which shows the dashboard",
    ),
    "an ingress to the dashboard": (
        of_head(lambda group: group.update(enableIngress=True)),
        "spec.headGroupSpec.enableIngress: shows the dashboard",
    ),
    "the machine's network": (
        of_head(lambda group: group["template"]["spec"].update(hostNetwork=True)),
        "template.spec.hostNetwork: puts every port of its pod on the machine's own address",
    ),
    "a port of the machine": (
        of_head(lambda group: container(group)["ports"][1].update(hostPort=8265)),
        "containers[0].ports: puts port 8265 on the machine's own address",
    ),
    "GPU workers without GPUs": (
        of_worker(lambda group: container(group)["resources"].update(limits={"cpu": "7", "memory": "28Gi"})),
        "spec.workerGroupSpecs[0]: is meant for GPUs, and no container is limited to nvidia.com/gpu",
    ),
    "more asked than allowed": (
        of_worker(lambda group: container(group)["resources"]["requests"].update(memory="30Gi")),
        "containers[0].resources.requests.memory: asks for 30Gi, and may have 28Gi",
    ),
    "no quantity": (
        of_worker(lambda group: container(group)["resources"]["limits"].update(memory="28 GB")),
        'resources.limits.memory: is "28 GB", which is no quantity; write 500m, 4 or 8Gi',
    ),
    "no limit": (
        of_head(lambda group: container(group)["resources"].update(limits={"cpu": "2"})),
        "warning: f.yaml, RayCluster sensorium, spec.headGroupSpec.template.spec.containers[0].resources.limits: "
        "has no limit of memory",
    ),
    "no container": (
        of_worker(lambda group: group["template"]["spec"].update(containers=[])),
        "template.spec.containers: is empty",
    ),
    "more at least than at most": (
        of_worker(lambda group: group.update(minReplicas=5)),
        "spec.workerGroupSpecs[0].minReplicas: is 5, more than maxReplicas, 4",
    ),
    "more than at most": (
        of_worker(lambda group: group.update(replicas=5)),
        "spec.workerGroupSpecs[0].replicas: is 5, and minReplicas to maxReplicas are 0 to 4",
    ),
    "no bound": (of_worker(lambda group: group.pop("maxReplicas")), "maxReplicas: is missing, and then has no bound"),
    "workers that never come": (
        of_spec(lambda spec: spec.pop("enableInTreeAutoscaling")),
        "warning: f.yaml, RayCluster sensorium, spec.workerGroupSpecs[0]: stays at 0 workers, though there may be 4",
    ),
}


@pytest.mark.parametrize("wrong", WRONG_CLUSTERS)
def test_what_is_wrong_in_a_cluster_is_found(wrong: str) -> None:
    change, said = WRONG_CLUSTERS[wrong]
    document = copy.deepcopy(read("cluster"))
    change(document)
    findings = found(document)
    assert any(said in finding for finding in findings), findings


WRONG_JOBS: dict[str, tuple[Callable[[Document], object], str]] = {
    "no command": (lambda spec: spec.pop("entrypoint"), "RayJob sweep, spec.entrypoint: is missing"),
    "no cluster": (lambda spec: spec.pop("rayClusterSpec"), "needs a cluster of its own or the name of one"),
    "two clusters": (
        lambda spec: spec.update(clusterSelector={"ray.io/cluster": "sensorium"}),
        "needs a cluster of its own or the name of one",
    ),
    "a cluster that stays": (
        lambda spec: spec.pop("shutdownAfterJobFinishes"),
        "warning: f.yaml, RayJob sweep, spec.shutdownAfterJobFinishes: is not set: the cluster, and what it costs",
    ),
    "GPUs that there are not": (
        lambda spec: spec["rayClusterSpec"].update(workerGroupSpecs=[]),
        "RayJob sweep, spec.entrypoint: asks for GPUs, and no worker has one",
    ),
    "no token": (
        lambda spec: spec["rayClusterSpec"].pop("authOptions"),
        "spec.rayClusterSpec.authOptions: does not ask",
    ),
    "a submitter without a tag": (
        lambda spec: spec["submitterPodTemplate"]["spec"]["containers"][0].update(image="lab"),
        "spec.submitterPodTemplate.spec.containers[0].image: 'lab' has no tag",
    ),
}


@pytest.mark.parametrize("wrong", WRONG_JOBS)
def test_what_is_wrong_in_a_job_is_found(wrong: str) -> None:
    change, said = WRONG_JOBS[wrong]
    document = read("sweep")
    change(document["spec"])
    findings = found(document)
    assert any(said in finding for finding in findings), findings


def serve(change: Callable[[Document], object]) -> Callable[[Document], object]:
    """A change of what Serve is to run."""

    def changed(spec: Document) -> None:
        config = yaml.safe_load(spec["serveConfigV2"])
        change(config)
        spec["serveConfigV2"] = yaml.safe_dump(config)

    return changed


def args(**given: object) -> Callable[[Document], object]:
    """Changed arguments of the application; None: without it."""

    def changed(config: Document) -> None:
        for name, value in given.items():
            config["applications"][0]["args"][name] = value
            if value is None:
                del config["applications"][0]["args"][name]

    return serve(changed)


WRONG_SERVICES: dict[str, tuple[Callable[[Document], object], str]] = {
    "no keys": (args(keys=None), "args: has no keys: neither `keys` nor, on the head, SENSORIUM_KEYS"),
    "everybody": (args(insecure=True), "args.insecure: lets everybody in"),
    "keys elsewhere": (args(keys="/srv/keys.json"), "args.keys: '/srv/keys.json' is on no volume of the head"),
    "keys on the head alone": (
        lambda spec: container(spec["rayClusterConfig"]["workerGroupSpecs"][0]).update(volumeMounts=[]),
        "args.keys: '/etc/sensorium/keys.json' is on no volume of the worker group 'replicas'",
    ),
    "a misspelt argument": (
        args(per_minutes=600),
        "args.per_minutes: Extra inputs are not permitted; did you mean 'per_minute'?",
    ),
    "an argument of a wrong kind": (args(batch=0), "args.batch: Input should be greater than 0"),
    "a misspelt option of Serve": (
        serve(lambda config: config["applications"][0]["deployments"][0].update(max_queue_requests=8)),
        "deployment 'Replica': 'max_queue_requests' is no option of a deployment, and Serve leaves it unread; "
        "did you mean 'max_queued_requests'?",
    ),
    "what Serve refuses": (
        serve(lambda config: config["applications"][0].pop("import_path")),
        "serveConfigV2.applications.0.import_path: Field required",
    ),
    "no YAML": (lambda spec: spec.update(serveConfigV2="a: [b"), "serveConfigV2: is no YAML"),
    "nothing to serve": (lambda spec: spec.pop("serveConfigV2"), "serveConfigV2: Input should be a valid dictionary"),
    "GPUs that there are not": (
        serve(lambda config: config["applications"][0]["deployments"][0]["ray_actor_options"].update(num_gpus=1)),
        "asks for GPUs, and no worker has one",
    ),
    "no token": (
        lambda spec: spec["rayClusterConfig"].pop("authOptions"),
        "RayService endpoint, spec.rayClusterConfig.authOptions: does not ask for a token",
    ),
}


@pytest.mark.parametrize("wrong", WRONG_SERVICES)
def test_what_is_wrong_in_an_endpoint_is_found(wrong: str) -> None:
    change, said = WRONG_SERVICES[wrong]
    document = copy.deepcopy(read("endpoint"))
    change(document["spec"])
    findings = found(document)
    assert any(said in finding for finding in findings), findings


def test_keys_may_come_from_the_environment_of_every_node() -> None:
    document = copy.deepcopy(read("endpoint"))
    args(keys=None)(document["spec"])
    cluster = document["spec"]["rayClusterConfig"]
    secret = {"name": "SENSORIUM_KEYS", "valueFrom": {"secretKeyRef": {"name": "sensorium-keys", "key": "keys.json"}}}
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        container(group)["env"] = [*container(group)["env"], secret]
    assert found(document) == []


def service(kind: str, **port: object) -> Document:
    spec = {"type": kind, "selector": {"ray.io/node-type": "head"}, "ports": [port]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "open"}, "spec": spec}


def ingress(**port: object) -> Document:
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "x", "port": port}}}
    spec = {"rules": [{"host": "a.example.com", "http": {"paths": [path]}}]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "open"}, "spec": spec}


def test_services_may_show_serves_port_alone() -> None:
    assert found(service("LoadBalancer", port=443, targetPort=8000), service("NodePort", port=8000)) == []
    assert found(service("LoadBalancer", port=443, targetPort="serve"), service("ClusterIP", port=8265)) == []
    for kind in ("LoadBalancer", "NodePort"):
        [finding] = found(service(kind, port=80, targetPort=8265))
        assert "Service open, spec.ports[0]: shows port 8265 to the world" in finding
    other = copy.deepcopy(read("endpoint"))
    serve(lambda config: config["http_options"].update(port=9000))(other["spec"])
    assert found(other, service("LoadBalancer", port=9000)) == []
    [finding] = found({**service("LoadBalancer", port=8000), "specs": {}})
    assert "'specs' is no field of it; did you mean 'spec'?" in finding


def test_ingresses_may_lead_to_serves_port_alone() -> None:
    assert found(ingress(number=8000), ingress(name="serve")) == []
    [finding] = found(ingress(number=8265))
    assert "Ingress open, spec.rules[0].http.paths[0].backend: shows port 8265 to the world" in finding
    assert len(found(ingress(name="dashboard"))) == 1


def test_what_is_no_manifest_is_told() -> None:
    assert found(None) == []  # what is between two lines of ---
    [finding] = found({"cluster_name": "sensorium"})
    assert finding.startswith("error: f.yaml, document 1: is no manifest: it has no kind")


def paths(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if len(path) < 7:
        for name, part in (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        ):
            yield (*path, name)
            yield from paths(part, (*path, name))


@pytest.mark.parametrize("junk", [None, 3, "x", [3], {"x": 3}], ids=str)
def test_nothing_of_a_wrong_shape_ends_in_a_traceback(junk: object) -> None:
    documents = [
        read("cluster"),
        *yaml.safe_load_all((CLUSTER / "kuberay" / "redis.yaml").read_text()),
        ingress(number=1),
    ]
    for document in documents:
        for *outer, last in paths(document):
            changed = copy.deepcopy(document)
            within: Any = changed
            for name in outer:
                within = within[name]
            within[last] = junk
            assert all(isinstance(finding, Finding) for finding in check_manifests([changed], "f.yaml"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [("500m", "0.5"), (4, "4"), ("1.5", "1.5"), (".5", "0.5"), ("8Gi", 8 * 2**30), ("1e3", 1000), ("2M", 2_000_000)],
)
def test_quantities_are_read_as_kubernetes_reads_them(written: str | int, meant: str | int) -> None:
    assert amount(written) == Decimal(meant)
