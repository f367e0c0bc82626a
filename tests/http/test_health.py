from importlib.metadata import version
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families


def test_the_root_tells_name_and_version(client):
    assert client.get("/").json() == {"name": "scanner-service", "version": version("scanner-service")}


def test_a_live_process_says_so_without_a_credential(client):
    response = client.get("/healthz", headers={"authorization": ""})
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


def test_readiness_follows_the_models(world):
    assert world.client.get("/readyz").status_code == 200
    world.is_ready = False
    assert world.client.get("/readyz").status_code == 503


def test_metrics_can_be_read_by_prometheus(world):
    world.client.post("/analyze/prompt", json={"prompt": "an ATTACK by Ada"})
    world.client.post("/analyze/output", json={"prompt": "", "output": "fine", "policy": "broken"})
    response = world.client.get("/metrics", headers={"authorization": ""})
    assert response.headers["content-type"].startswith("text/plain; version=")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }
    assert samples["scanner_scans_total", "blocked", "default", "prompt"] == 1
    assert samples["scanner_scans_total", "blocked", "broken", "output"] == 1
    assert samples["scanner_triggered_total", "INJECTION", "attack", "block", "default"] == 1
    assert samples["scanner_triggered_total", "PERSON", "default", "person", "redact"] == 1
    for stage, times in {"read": 2, "recall": 2, "prepare": 2, "judge": 2, "sanitize": 2, "encode": 2}.items():
        assert samples["scanner_stage_duration_seconds_count", stage] == times
    assert samples["scanner_errors_total", "broken", "scanner_failed"] == 1
    assert samples["scanner_duration_seconds_count", "attack"] == 2
    assert samples["scanner_request_duration_seconds_count", "/analyze/prompt", "200"] == 1
    assert samples["scanner_requests_in_flight",] == 0


def test_metrics_ask_for_a_credential_if_told_to(make_world):
    client = make_world(metrics_require_key=True).client
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", headers={"authorization": ""}).status_code == 401


def test_every_metric_is_documented(client):
    documented = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
    for family in text_string_to_metric_families(client.get("/metrics").text):
        if family.name.startswith("scanner_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert f"`{name}`" in documented
