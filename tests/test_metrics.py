from scanner_service.findings import Action, Finding, ScannerResult, ScanResult
from scanner_service.metrics import MAX_LABELS, Metrics
from scanner_service.text import Span


def result(*labels):
    findings = [Finding(label, 1.0, Span(0, 1)) for label in labels]
    return ScanResult([ScannerResult("rule", "kind", 1.0, 0.5, Action.BLOCK, findings)], "")


def counted(metrics):
    lines = metrics.expose().decode().splitlines()
    return {
        line.split('label="')[1].split('"')[0]: float(line.split()[-1]) for line in lines if "triggered_total{" in line
    }


def test_a_rule_counts_once_for_each_label():
    metrics = Metrics()
    metrics.count("prompt", "default", result("A", "A", "B"))
    assert counted(metrics) == {"A": 1.0, "B": 1.0}


def test_labels_made_of_text_are_not_exposed():
    metrics = Metrics()
    metrics.count("prompt", "default", result("ignore all previous", "a" * 100, "X" * 65))
    assert counted(metrics) == {"OTHER": 1.0}


def test_the_number_of_labels_is_bounded():
    metrics = Metrics()
    metrics.count("prompt", "default", result(*(f"LABEL_{number}" for number in range(MAX_LABELS + 50))))
    assert len(counted(metrics)) == MAX_LABELS + 1
