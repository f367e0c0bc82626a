import re

import pytest

from scanner_service.errors import ConfigError, ModelError
from scanner_service.inference import manifest
from tests.inference import tiny


def changed(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def test_it_tells_scanners_labels_tokenizer_and_digest(tmp_path):
    info = manifest.load(tiny.write(tmp_path)).info()["tiny"]
    assert info.labels == {"INJECTION", "TOXICITY", "THREAT", "PERSON", "LOCATION", "UNINTELLIGIBLE"}
    assert info.read_tokenizer() == (tmp_path / "tokenizer.json").read_bytes()
    assert re.fullmatch("[0-9a-f]{64}", info.digest)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("temperature = 2.0", "temperature = 2.1"),
        ("INJECTION = 0.5", "INJECTION = 0.6"),
        ("overlap_tokens = 2", "overlap_tokens = 3"),
        ('kind = "sequence"', 'kind = "sequence"\nwindow_penalty = 0.1'),
        ('tokenizer_sha256 = "', f'tokenizer_sha256 = "{"0" * 64}" # '),
        ('\nsha256 = "', f'\nsha256 = "{"0" * 64}" # '),
    ],
)
def test_the_digest_of_an_entry_changes_with_whatever_changes_scores(tmp_path, old, new):
    path = tiny.write(tmp_path)
    before = manifest.load(path).info()["tiny"].entry_digest
    assert manifest.load(path).info()["tiny"].entry_digest == before
    assert manifest.load(changed(path, old, new)).info()["tiny"].entry_digest != before


def test_a_model_with_token_heads_alone_has_no_unintelligible_windows(tmp_path):
    heads = tiny.HEADS[tiny.HEADS.rindex("[[") :]
    loaded = manifest.load(tiny.write(tmp_path, heads=heads, entry=""))
    assert loaded.info()["tiny"].labels == {"PERSON", "LOCATION"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("licence", "license", "`license` - at `$.models.tiny`"),
        ('licence = "Apache-2.0"', "", "missing required field `licence` - at `$.models.tiny`"),
        ("thresholds =", "treshold =", "unknown field `treshold` - at `$.models.tiny.heads[0]`"),
        ("temperature = 2.0", "temperature = 0", "at `$.models.tiny.heads[1].temperature`"),
        ("temperature = 2.0", "temperature = inf", "at `$.models.tiny.heads[1].temperature`"),
        ("temperature = 2.0", "temperature = nan", "at `$.models.tiny.heads[1].temperature`"),
        ("temperature = 2.0", "window_penalty = inf", "at `$.models.tiny.heads[1].window_penalty`"),
        ('"sequence"', '"sentence"', "at `$.models.tiny.heads[0].kind`"),
        ("[models.tiny]", "extra = 1\n[models.tiny]", "unknown field `extra`"),
        ('labels = ["INJECTION"]', 'labels = ["injection"]', "at `$.models.tiny.heads[0].labels[0]`"),
        ("overlap_tokens = 2", "overlap_tokens = 6", "`$.models.tiny.overlap_tokens`"),
        ("INJECTION = 0.5", "JAILBREAK = 0.5", "names `JAILBREAK`"),
        ('"TOXICITY"', '"PERSON"', "`$.models.tiny.heads[2].labels` holds a label that is taken"),
        ('"TOXICITY"', '"UNINTELLIGIBLE"', "holds a label that is taken"),
        ('["INJECTION"]', '["B-INJECTION"]', "have no `B-` or `I-`"),
        ('labels = ["O", ', 'labels = ["PERSON", ', "are `O`, `B-NAME` and `I-NAME`"),
        ('"softmax"', '"sigmoid"', "`$.models.tiny.heads[2].activation` of a token head"),
        ('"sigmoid"', '"softmax"', "over a single label"),
        ('kind = "sequence"', 'kind = "token"', "`O`, `B-NAME`"),
    ],
)
def test_what_is_wrong_is_an_error_that_names_its_path(tmp_path, old, new, message):
    path = changed(tiny.write(tmp_path, entry=""), old, new)
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        manifest.load(path)
    assert str(path) in str(caught.value)


def test_a_digest_cannot_be_left_out(tmp_path):
    path = tiny.write(tmp_path)
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("sha256")))
    with pytest.raises(ConfigError, match="missing required field `sha256`"):
        manifest.load(path)


@pytest.mark.parametrize("content", ["", "[models]", "models = 1", "not toml", "\xff"])
def test_a_manifest_without_models_is_an_error(tmp_path, content):
    path = tmp_path / "manifest.toml"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"manifest\.toml"):
        manifest.load(path)


def test_a_missing_manifest_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        manifest.load(tmp_path / "manifest.toml")


@pytest.mark.parametrize("file", ["../tiny.onnx", "a/../../tiny.onnx", "link/tiny.onnx"])
def test_a_relative_path_cannot_leave_the_folder_of_the_manifest(tmp_path, file):
    folder, outside = tmp_path / "models", tmp_path
    folder.mkdir()
    (folder / "link").symlink_to(outside, target_is_directory=True)
    (outside / "tiny.onnx").write_bytes(tiny.onnx_bytes({"injection": tiny.INJECTION}))
    path = changed(tiny.write(folder), '"tiny.onnx"', f'"{file}"')
    with pytest.raises(ConfigError, match=r"`\$\.models\.tiny\.file` leaves the folder"):
        manifest.load(path)


def test_an_absolute_path_may_lead_anywhere(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    path = tiny.write(folder)
    moved = (folder / "tiny.onnx").rename(tmp_path / "elsewhere.onnx")
    assert manifest.load(changed(path, '"tiny.onnx"', f'"{moved}"')).read_model("tiny") == moved.read_bytes()


@pytest.mark.parametrize(("name", "read"), [("tiny.onnx", "read_model"), ("tokenizer.json", "read_tokenizer")])
def test_a_changed_file_is_refused_by_name(tmp_path, name, read):
    loaded = manifest.load(tiny.write(tmp_path))
    assert getattr(loaded, read)("tiny") == (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b" ")
    with pytest.raises(ModelError, match=f"{name}: its SHA-256 is .* the manifest says .* put the new digest"):
        getattr(loaded, read)("tiny")


def test_a_missing_file_is_refused_by_name(tmp_path):
    loaded = manifest.load(tiny.write(tmp_path))
    (tmp_path / "tiny.onnx").unlink()
    with pytest.raises(ModelError, match=r"tiny\.onnx: cannot be read: No such file"):
        loaded.read_model("tiny")


def test_a_self_test_needs_something_to_hold_against_a_threshold(tmp_path):
    heads = tiny.HEADS[tiny.HEADS.rindex("[[") :]
    with pytest.raises(ConfigError, match="needs a first head of kind `sequence`"):
        manifest.load(tiny.write(tmp_path, heads=heads))
