from __future__ import annotations

import json
import re
import shutil
from typing import Any

import pytest
import yaml

from deploy import values_schema
from scanner_service import config
from tests.deploy.conftest import CHART, CREDENTIALS, ROOT, find, load, pods, refusals, run
from tests.deploy.restricted import violations
from tests.deploy.variants import CONFIG, REFUSED, VARIANTS

KUBERNETES = ["1.27", "1.29", "1.32", "1.37"]
CUSTOM = {"ServiceMonitor", "PrometheusRule"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_chart_passes_the_strict_lint(helm, variant):
    done = helm("lint", VARIANTS[variant], "--strict")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_variant_is_valid_for_kubernetes(helm, tmp_path, version):
    files = []
    for variant, values in VARIANTS.items():
        done = helm("template", values, "--kube-version", version)
        assert done.returncode == 0, f"{variant}: {done.stderr}"
        file = tmp_path / f"{variant}.yaml"
        known = [one for one in load(done.stdout) if one["kind"] not in CUSTOM]
        file.write_text(yaml.safe_dump_all(known))
        files.append(file)
    assert not refusals(version, *files)


def test_a_kind_that_kubernetes_does_not_know_is_noticed(tmp_path):
    file = tmp_path / "unknown.yaml"
    file.write_text("apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: x}\n")
    assert "Couldn't find schema" in refusals("1.32", file)


def test_a_field_that_kubernetes_does_not_know_is_noticed(tmp_path):
    file = tmp_path / "unknown.yaml"
    file.write_text("apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {port: 1}\n")
    assert "port" in refusals("1.32", file)


@pytest.mark.parametrize("case", REFUSED)
def test_refused_is(helm, case):
    values, message = REFUSED[case]
    credentials = CREDENTIALS["credentials"] | values.get("credentials", {})
    done = helm("template", values | {"credentials": credentials})
    assert done.returncode != 0
    assert message in done.stderr


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_pod_is_restricted_and_has_no_token(render, variant):
    for _, spec in pods(render(VARIANTS[variant])):
        assert list(violations(spec)) == []
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_reference_inside_the_release_leads_somewhere(render, variant):
    manifests = render(VARIANTS[variant])
    for metadata, spec in pods(manifests):
        volumes = {one["name"] for one in spec.get("volumes", [])}
        mounts = {one["name"] for container in spec["containers"] for one in container.get("volumeMounts", [])}
        assert mounts == volumes
        names = {(one["kind"], one["metadata"]["name"]) for one in manifests}
        given = json.dumps(VARIANTS[variant])
        for kind, name in references(spec):
            assert (kind, name) in names or f'"{name}"' in given or name == "default", (kind, name)
        if metadata["labels"]["app.kubernetes.io/component"] == "service":
            for selector in selectors(manifests):
                assert selector.items() <= metadata["labels"].items()


def references(spec: dict[str, Any]) -> list[tuple[str, str]]:
    text = json.dumps(spec)
    found = [("Secret", name) for name in re.findall(r'"secretKeyRef": {"[^}]*?"name": "([^"]+)"', text)]
    found += [("Secret", name) for name in re.findall(r'"secretName": "([^"]+)"', text)]
    found += [("ConfigMap", name) for name in re.findall(r'"configMap": {"name": "([^"]+)"', text)]
    if "serviceAccountName" in spec:
        found.append(("ServiceAccount", spec["serviceAccountName"]))
    return found


def selectors(manifests: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Every selector by which something finds the pods of the service."""
    found = [find(manifests, "Service")["spec"]["selector"]]
    for one in manifests:
        spec = one.get("spec", {})
        if one["kind"] in {"Deployment", "PodDisruptionBudget"}:
            found.append(spec["selector"]["matchLabels"])
        if one["kind"] == "NetworkPolicy":
            found.append(spec["podSelector"]["matchLabels"])
    return found


def test_where_the_cluster_chooses_users_the_chart_names_none(render):
    manifests = render(VARIANTS["on OpenShift"])
    assert not re.search("runAs(User|Group)|fsGroup", json.dumps(manifests))
    assert find(render({"user": 1_000_650_000}), "Deployment")["spec"]["template"]["spec"]["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 1_000_650_000,
        "runAsGroup": 1_000_650_000,
        "fsGroup": 1_000_650_000,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


@pytest.mark.parametrize(
    ("release", "service"),
    [
        ("a.b", "a-b-scanner-service"),
        ("my.scanner-service", "my-scanner-service"),
        (f"{'a' * 48}--bc", "a" * 48),
    ],
)
def test_every_release_has_a_name_that_a_service_may_have(tmp_path, release, service):
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(CREDENTIALS))
    done = run("helm", "template", release, CHART, "--values", file)
    assert find(load(done.stdout), "Service")["metadata"]["name"] == service
    done = run("helm", "template", "1st", CHART, "--values", file)
    assert "fullnameOverride" in done.stderr


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_helm_says_after_an_installation_can_be_said(notes, variant):
    assert "helm test" in (said := notes(VARIANTS[variant])) or "scanner-service.sidecar" in said


def test_it_warns_of_several_workers_with_the_resources_of_one(notes):
    assert "WARNING" not in notes({})
    assert "cpu: 4 and memory: 1180Mi" in notes({"workers": 4})
    assert "WARNING" not in notes({"workers": 4, "resources": {"requests": {"cpu": "4", "memory": "1200Mi"}}})


@pytest.fixture
def notes(tmp_path):
    """What helm says after an installation with some values; without a cluster it renders no NOTES.txt by itself."""
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    written = (chart / "templates" / "NOTES.txt").read_text()
    wrapped = f'{{{{- define "notes" }}}}{written}{{{{ end -}}}}\nnotes: {{{{ include "notes" . | quote }}}}\n'
    (chart / "templates" / "notes.yaml").write_text(wrapped)

    def render(values):
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(CREDENTIALS | values))
        done = run("helm", "template", "r", chart, "--values", file, "--show-only", "templates/notes.yaml")
        assert done.returncode == 0, done.stderr
        return yaml.safe_load(done.stdout)["notes"]

    return render


def test_the_test_pod_gets_no_traffic_of_the_service(render):
    manifests = render()
    selector = find(manifests, "Service")["spec"]["selector"]
    assert not selector.items() <= find(manifests, "Pod")["metadata"]["labels"].items()


def test_the_service_reads_the_configuration_as_it_was_written(render, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(find(render({"config": CONFIG}), "ConfigMap")["data"]["config.yaml"])
    assert yaml.safe_load(file.read_text()) == CONFIG
    assert config.load(file).limits.max_body_bytes == 10_485_760


def test_the_policy_that_ships_is_one_that_the_chart_accepts(helm):
    shipped = yaml.safe_load(config.DEFAULT_CONFIG.read_text("utf-8"))
    assert helm("lint", {"config": shipped}, "--strict").returncode == 0


def test_the_schema_knows_the_configuration_of_this_version():
    schema = json.loads(values_schema.SCHEMA.read_text("utf-8"))
    expected = values_schema.text(values_schema.with_config(schema))
    assert values_schema.SCHEMA.read_text("utf-8") == expected, "run: make chart"


def test_every_value_is_in_the_schema_and_the_other_way_round():
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    properties = json.loads(values_schema.SCHEMA.read_text("utf-8"))["properties"]
    assert set(properties) - {"global"} == set(values)


def test_every_value_and_every_alert_is_documented(render):
    documented = (ROOT / "docs" / "deploying.md").read_text("utf-8")
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    assert [name for name in values if f"`{name}`" not in documented] == []
    rules = find(render(VARIANTS["monitored"]), "PrometheusRule")["spec"]["groups"][0]["rules"]
    assert [rule["alert"] for rule in rules if f"`{rule['alert']}`" not in documented] == []


def test_the_version_is_that_of_the_service():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    project = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert project
    assert str(chart["appVersion"]) == project[1]


def test_keys_are_stored_as_digests_that_the_service_can_read(render, tmp_path):
    from scanner_service.http.auth import Keys

    file = tmp_path / "api-keys"
    digest = (
        "5e318f8cf9cbe249a30812b8ca132d691ded7a91991413558db5758575f5e01f"  # printf of 32 times "k", through sha256sum
    )
    secret = find(render({"credentials": CREDENTIALS["credentials"] | {"apiKeys": {"a": digest}}}), "Secret")
    file.write_text(secret["stringData"]["api-keys"])
    loaded = config.load(config.DEFAULT_CONFIG)
    keys = Keys.load(loaded, {"SCANNER_API_KEYS_FILE": str(file)})
    assert keys.authenticate([(b"authorization", b"Bearer " + b"k" * 32)]).name == "a"


@pytest.mark.parametrize(
    "change",
    [{"config": CONFIG | {"scan_timeout_seconds": 9}}, {"credentials": {"vaultKeys": ["fedcba9876543210"]}}],
    ids=["configuration", "credentials"],
)
def test_a_change_of_what_is_mounted_rolls_the_pods(render, change):
    def annotations(values):
        return find(render(values), "Deployment")["spec"]["template"]["metadata"]["annotations"]

    before = {"config": CONFIG} | CREDENTIALS
    changed = before | change
    changed["credentials"] = CREDENTIALS["credentials"] | changed["credentials"]
    assert annotations(before) == annotations(before)
    assert annotations(before) != annotations(changed)


def test_a_stopping_pod_waits_for_the_endpoints_and_then_for_its_requests(render):
    spec = find(render({"shutdown": {"preStopSeconds": 7, "drainSeconds": 40}}), "Deployment")["spec"]
    pod = spec["template"]["spec"]
    assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "7"]
    assert pod["terminationGracePeriodSeconds"] == 47
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_with_autoscaling_the_deployment_names_no_number_of_replicas(render):
    manifests = render(VARIANTS["autoscaled"])
    assert "replicas" not in find(manifests, "Deployment")["spec"]
    target = find(manifests, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert target["name"] == find(manifests, "Deployment")["metadata"]["name"]


def test_the_pods_may_call_nobody_unless_it_is_said(render):
    assert find(render(), "NetworkPolicy")["spec"]["egress"] == []
    policy = find(render(VARIANTS["closed off"]), "NetworkPolicy")["spec"]
    assert policy["egress"] == VARIANTS["closed off"]["networkPolicy"]["egress"]
    assert {"namespaceSelector": {"matchLabels": {"team": "chat"}}} in policy["ingress"][0]["from"]


def test_what_traces_need_reaches_the_service(render):
    manifests = render(VARIANTS["traced"])
    values = VARIANTS["traced"]["traces"]
    dns, collector = find(manifests, "NetworkPolicy")["spec"]["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert collector == {"ports": [{"port": 14318, "protocol": "TCP"}], "to": values["allowTo"]}
    container = find(manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    env = {one["name"]: one.get("value") or one["valueFrom"] for one in container["env"]}
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == values["endpoint"]
    assert (env["OTEL_TRACES_SAMPLER"], env["OTEL_TRACES_SAMPLER_ARG"]) == ("parentbased_traceidratio", "0.1")
    assert env["OTEL_EXPORTER_OTLP_HEADERS"] == {"secretKeyRef": values["headersSecret"]}
    assert not any(one["name"].startswith("OTEL_") for one in pods(render())[0][1]["containers"][0]["env"])


def test_for_sidecars_there_is_only_what_they_mount(render):
    assert {one["kind"] for one in render(VARIANTS["only for sidecars"])} == {"ConfigMap", "Secret"}


def test_what_replicas_share_is_named_to_them_and_can_be_reached(render):
    manifests = render(VARIANTS["sharing"])
    ((_, pod),) = [(m, s) for m, s in pods(manifests) if m["labels"]["app.kubernetes.io/component"] == "service"]
    environment = {one["name"]: one for one in pod["containers"][0]["env"]}
    assert environment["SCANNER_REDIS_URL"]["value"] == "rediss://redis.shared:6380/1"
    dns, redis = find(manifests, "NetworkPolicy")["spec"]["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert redis == {"ports": [{"port": 6380, "protocol": "TCP"}]}


@pytest.mark.parametrize(
    ("values", "port"),
    [
        ({"redis": {"url": "redis://redis"}}, 6379),
        ({"redis": {"url": "rediss://redis:6380/1"}}, 6380),
        ({"redis": {"url": "rediss://redis:6380", "port": 6379}}, 6379),  # a Service in front of the pods
        ({"redis": {"urlSecret": {"name": "redis", "key": "url"}}}, 6379),
        ({"traces": {"endpoint": "http://collector:4319"}}, 4319),
        ({"traces": {"endpoint": "http://collector"}}, 80),
        ({"traces": {"endpoint": "https://collector/otlp:1"}}, 443),
        ({"traces": {"endpoint": "https://[fd00::1]"}}, 443),
    ],
)
def test_the_network_policy_opens_the_port_that_is_called(render, values, port):
    _, rule = find(render(values), "NetworkPolicy")["spec"]["egress"]
    assert rule == {"ports": [{"port": port, "protocol": "TCP"}]}


def test_a_shared_address_with_a_password_stays_in_its_secret(render):
    manifests = render(VARIANTS["sharing with a password"])
    container = find(manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    environment = {one["name"]: one for one in container["env"]}
    assert environment["SCANNER_REDIS_URL"]["valueFrom"]["secretKeyRef"] == {"name": "redis", "key": "url"}
    own, _, redis = find(manifests, "NetworkPolicy")["spec"]["egress"]
    assert own["ports"][0]["port"] == 4318
    assert redis["to"] == [{"podSelector": {"matchLabels": {"app": "redis"}}}]
