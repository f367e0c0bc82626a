import json

from training import card

FIGURES = {
    "model": "ab12",
    "injection": {
        "summary": {"mean_auc": 0.9, "mean_recall_at_1_percent": 0.5},
        "attacks": {
            name: {
                "n": 10,
                "auc": 0.75,
                "negatives": "own",
                "recall_at_1_percent": 0.1,
                "recall_at_0.1_percent": 0.0,
                "auc_pooled": 0.7,
                "recall_at_1_percent_pooled": 0.1,
                "share_over_threshold": 0.2,
                "interval": [0.1, 0.3],
            }
            for name in ("bipia", "spikee")
        },
    },
}


def test_what_was_not_kept_is_not_told(tmp_path):
    assert card.earlier(tmp_path, {"bipia"}) == card.ablations(tmp_path) == ""


def test_an_earlier_model_is_told_for_what_is_trained_on_now(tmp_path):
    (tmp_path / "guard_evaluation_earlier.json").write_text(json.dumps(FIGURES))
    text = card.earlier(tmp_path, {"bipia"})
    assert "`ab12`" in text
    assert "mean AUC over all of its sources was 0.900" in text
    assert "| bipia | 10 | 0.750 (own)" in text
    assert "spikee" not in text


def test_ablations_are_a_table_with_gaps_where_a_head_was_not_trained(tmp_path):
    found = {"everything": {"injection AUC": 0.95, "PERSON F1": 0.5}, "entities alone": {"PERSON F1": 0.55}}
    (tmp_path / "guard_ablations.json").write_text(json.dumps(found))
    (tmp_path / "guard_ablations_earlier.json").write_text(json.dumps({"older": {"PERSON F1": 0.25}}))
    text = card.ablations(tmp_path)
    assert "| variant | injection AUC | PERSON F1 |" in text
    assert "| everything | 0.950 | 0.500 |" in text
    assert "| entities alone | – | 0.550 |" in text
    assert "| older | 0.250 |" in text


def test_the_texts_to_measure_with_are_told_of_the_model_that_was_measured_and_no_other(tmp_path):
    assert "Not measured with this model" in card.written(tmp_path, "blind", "ab12")
    harmless = {"n": 4, "over_threshold": 0.25, "low": 0.1, "high": 0.7}
    direct = harmless | {"over_threshold": 0.5, "auc": 0.875, "recall_at_1_percent": 0.75}
    kinds = {"direct": direct, "benign": harmless}
    (tmp_path / "accuracy.json").write_text(json.dumps({"model": "ab12", "injection, blind texts": kinds}))
    assert "Not measured with this model" in card.written(tmp_path, "blind", "cd34")
    text = card.written(tmp_path, "blind", "ab12")
    assert "| direct | 4 | 50.0 % | 10.0–70.0 | 0.875 | 75.0 % |" in text
    assert "| benign | 4 | 25.0 % | 10.0–70.0 | – | – |" in text


def test_sources_with_texts_of_known_wording_are_told_and_no_others():
    figures = {"n": 50, "known": 10, "share_over_threshold": 0.9, "new_over_threshold": 0.875}
    all_known = {"n": 2, "known": 2, "share_over_threshold": 0.5}
    text = card.known({"attacks": {"bipia": figures, "old": all_known}, "harmless": {"alpaca": figures | {"known": 0}}})
    assert "| bipia (attacks) | 50 | 10 (20.0 %) | 90.0 % | 87.5 % |" in text
    assert "| old (attacks) | 2 | 2 (100.0 %) | 50.0 % | – |" in text
    assert "alpaca" not in text
