from scanner_service.findings import Action, Finding, ScannerResult
from scanner_service.metrics import MAX_LABELS, Metrics
from scanner_service.text import Span
from scanner_service.traces import Scanned


def scanned(*labels):
    findings = [Finding(label, 1.0, Span(0, 1)) for label in labels]
    return Scanned("prompt", [ScannerResult("rule", "kind", 1.0, 0.5, Action.BLOCK, findings)], [])


def counted(metrics):
    lines = metrics.expose().decode().splitlines()
    return {
        line.split('label="')[1].split('"')[0]: float(line.split()[-1]) for line in lines if "triggered_total{" in line
    }


def test_a_rule_counts_once_for_each_label():
    metrics = Metrics()
    metrics.count("default", scanned("A", "A", "B"))
    assert counted(metrics) == {"A": 1.0, "B": 1.0}


def test_a_rule_is_counted_for_each_policy():
    metrics = Metrics()
    for policy in ("default", "default", "strict"):
        metrics.count(policy, scanned("A"))
    exposed = metrics.expose().decode()
    for policy, times in {"default": 2, "strict": 1}.items():
        labels = f'action="block",label="A",policy="{policy}",scanner="rule"'
        assert f"scanner_triggered_total{{{labels}}} {times}.0" in exposed


def test_a_rule_that_did_not_have_to_run_is_no_rule_that_could_not():
    metrics = Metrics()
    for code in ("skipped", "model_failed"):
        result = ScannerResult("rule", "kind", None, 0.5, Action.BLOCK, [], error=code)
        metrics.count("default", Scanned("prompt", [result], []))
    counts = [line for line in metrics.expose().decode().splitlines() if line.startswith("scanner_errors_total{")]
    assert counts == ['scanner_errors_total{code="model_failed",scanner="rule"} 1.0']


def test_models_and_what_they_are_given_are_told():
    metrics = Metrics()
    metrics.show_models({"guard": "ab12"})
    metrics.count_windows("guard", "text", 3)
    exposed = metrics.expose().decode()
    assert 'scanner_model_info{model="guard",sha256="ab12"} 1.0' in exposed
    assert 'scanner_model_windows_bucket{le="2.0",model="guard",per="text"} 0.0' in exposed
    assert 'scanner_model_windows_bucket{le="4.0",model="guard",per="text"} 1.0' in exposed


def test_a_first_refusal_is_an_increase():
    assert 'scanner_policy_reloads_total{outcome="refused"} 0.0' in Metrics().expose().decode()


def test_labels_made_of_text_are_not_exposed():
    metrics = Metrics()
    metrics.count("default", scanned("ignore all previous", "a" * 100, "X" * 65))
    assert counted(metrics) == {"OTHER": 1.0}


def test_the_number_of_labels_is_bounded():
    metrics = Metrics()
    metrics.count("default", scanned(*(f"LABEL_{number}" for number in range(MAX_LABELS + 50))))
    assert len(counted(metrics)) == MAX_LABELS + 1
