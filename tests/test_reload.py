import asyncio
import contextlib
import logging
from hashlib import sha256

import pytest
import yaml

from scanner_service import registry, reload
from scanner_service.accepted import Accepted
from scanner_service.errors import ConfigError, Unauthorized
from scanner_service.metrics import Metrics
from scanner_service.reload import Reloading, begin
from tests.e2e.conftest import configured

KEYS = {"SCANNER_API_KEYS": "test=0123456789abcdef"}


def rule(name, **more):
    return {"name": name, "kind": "secrets"} | more


@pytest.fixture
def environment(tmp_path):
    return configured(tmp_path, {"default": [rule("first")]}) | KEYS


@pytest.fixture
def reloading(environment):
    return Reloading(begin(environment), environment, Metrics())


def write(tmp_path, *rules):
    policies = {"default": {"prompt": list(rules), "output": list(rules)}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"policies": policies}), "utf-8")


def names(reloading):
    return [rule.name for rule in reloading.served.policies["default"].prompt]


def counted(reloading, outcome):
    name = f'scanner_policy_reloads_total{{outcome="{outcome}"}} '
    lines = reloading._metrics.expose().decode().splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def test_trouble_with_one_look_does_not_end_the_watch(reloading, tmp_path, monkeypatch, caplog):
    looks = []

    def poll():
        looks.append(None)
        if len(looks) == 1:
            raise RuntimeError("can't start new thread")

    async def watch():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reloading.watch(), 0.2)

    monkeypatch.setattr(reload, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(reloading, "poll", poll)
    asyncio.run(watch())
    assert len(looks) > 2
    assert [line.message for line in caplog.records] == ["could not look for changes"]


def test_a_file_that_stays_the_same_is_not_read_again(reloading):
    served = reloading.served
    for _ in range(5):
        reloading.poll()
    assert reloading.served is served
    assert counted(reloading, "reloaded") == 0


def test_a_file_is_taken_over_once_it_has_stayed_the_same_for_a_look(reloading, tmp_path):
    for name in ("second", "third"):
        write(tmp_path, rule(name))
        reloading.poll()
        assert names(reloading) == ["first"]
    for _ in range(3):
        reloading.poll()
    assert names(reloading) == ["third"]
    assert counted(reloading, "reloaded") == 1


def test_a_refused_file_is_counted_once_and_not_at_every_look(reloading, tmp_path, caplog):
    (tmp_path / "config.yaml").write_text("policies: [")
    for _ in range(5):
        reloading.poll()
    assert (names(reloading), counted(reloading, "refused")) == (["first"], 1)
    assert "config.yaml: not YAML" in caplog.records[0].reason


def test_a_file_that_is_gone_is_refused(reloading, tmp_path):
    (tmp_path / "config.yaml").unlink()
    for _ in range(3):
        reloading.poll()
    assert (names(reloading), counted(reloading, "refused")) == (["first"], 1)


def test_keys_that_cannot_be_used_keep_the_policies_from_changing_alone(reloading, environment, tmp_path):
    environment["SCANNER_API_KEYS"] = "short"
    write(tmp_path, rule("second"))
    reloading.reload()
    assert (names(reloading), counted(reloading, "refused")) == (["first"], 1)


def test_a_kind_that_raises_something_else_is_refused_too(reloading, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "scanner_service")
    monkeypatch.setattr(registry, "find", lambda kind: 1 / 0)
    write(tmp_path, rule("second"))
    reloading.reload()
    assert (names(reloading), counted(reloading, "refused")) == (["first"], 1)
    assert [record.message for record in caplog.records] == ["policies refused"]


def test_what_waits_for_a_restart_is_named(reloading, tmp_path, caplog):
    caplog.set_level(logging.INFO, "scanner_service")
    content = yaml.safe_load((tmp_path / "config.yaml").read_text()) | {"log_level": "debug", "allow_anonymous": True}
    content["keys"] = {"test": {"requests_per_minute": 5}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    reloading.reload()
    assert caplog.records[-1].needs_restart == ["log_level", "keys.requests_per_minute"]
    assert reloading.served.keys.authenticate([]).name == "anonymous"


def test_a_broken_edit_during_the_start_is_not_accepted_and_found_at_the_next_look(environment, tmp_path):
    accepted, assembly = Accepted(), begin(environment)
    (tmp_path / "config.yaml").write_text("policies: [")
    reloading = Reloading(assembly, environment, Metrics(), accepted)
    for _ in range(3):
        reloading.poll()
    assert (names(reloading), counted(reloading, "refused")) == (["first"], 1)
    assert accepted.content == assembly.content != b"policies: ["


def test_a_broken_edit_while_a_file_is_taken_over_is_not_accepted_and_found_too(environment, tmp_path, monkeypatch):
    accepted = Accepted()
    reloading = Reloading(begin(environment), environment, Metrics(), accepted)
    write(tmp_path, rule("second"))
    serve = reload.serve

    def break_and_serve(*args):
        (tmp_path / "config.yaml").write_text("policies: [")
        return serve(*args)

    monkeypatch.setattr(reload, "serve", break_and_serve)
    reloading.reload()
    assert (names(reloading), counted(reloading, "refused")) == (["second"], 0)
    assert b"second" in accepted.content
    for _ in range(3):
        reloading.poll()
    assert (names(reloading), counted(reloading, "refused")) == (["second"], 1)


def test_a_good_change_during_the_start_is_taken_over(environment, tmp_path):
    assembly = begin(environment)
    write(tmp_path, rule("second"))
    reloading = Reloading(assembly, environment, Metrics())
    for _ in range(2):
        reloading.poll()
    assert names(reloading) == ["second"]


def test_a_worker_that_starts_beside_a_broken_file_serves_what_was_accepted(environment, tmp_path, caplog):
    accepted = Accepted()
    Reloading(begin(environment), environment, Metrics(), accepted)
    (tmp_path / "config.yaml").write_text("policies: [")
    started = Reloading(begin(environment, accepted), environment, Metrics(), accepted)
    for _ in range(3):
        started.poll()
    assert (names(started), counted(started, "refused")) == (["first"], 1)
    assert "config.yaml: not YAML" in caplog.records[0].reason
    write(tmp_path, rule("mended"))
    started.poll()
    started.poll()
    assert names(started) == ["mended"]
    assert b"mended" in accepted.content


NOBODY = "keys: {nobody: {policies: [default]}}\n"
UNLOADED = "{name: one, kind: classifier, options: {model: unused, labels: [NOTHING]}}"


@pytest.mark.parametrize(
    "content",
    [
        "log_level: {{ .Values.level }}\n",
        "policies: {default: {prompt: [{name: one, kind: raising}], output: [{name: one, kind: raising}]}}\n",
        "policies: {default: {prompt: [{name: one, kind: secrets}], output: [{name: one, kind: secrets}]}}\n" + NOBODY,
        f"policies: {{default: {{prompt: [{UNLOADED}], output: [{UNLOADED}]}}}}\n",
    ],
    ids=["no YAML", "raises", "keys", "model"],
)
def test_whatever_the_others_refuse_a_worker_that_starts_serves_what_they_serve(
    environment, tmp_path, monkeypatch, content
):
    find = registry.find
    monkeypatch.setattr(registry, "find", lambda kind: 1 / 0 if kind == "raising" else find(kind))
    accepted = Accepted()
    others = Reloading(begin(environment), environment, Metrics(), accepted)
    (tmp_path / "config.yaml").write_text(content)
    started = Reloading(begin(environment, accepted), environment, Metrics(), accepted)
    for one in (others, started):
        for _ in range(3):
            one.poll()
        assert (names(one), counted(one, "refused")) == (["first"], 1)


def test_a_worker_starts_with_the_file_if_the_accepted_one_no_longer_fits_the_keys(environment, tmp_path):
    accepted = Accepted()
    accepted.keep((tmp_path / "config.yaml").read_bytes() + NOBODY.encode())
    assert names(Reloading(begin(environment, accepted), environment, Metrics(), accepted)) == ["first"]


def key_of(name):
    return name.encode() * 4


@pytest.fixture
def listed(environment, tmp_path):
    """Where keys are listed by name, one of which the configuration ties to a policy."""
    file = tmp_path / "keys"
    environment |= {"SCANNER_API_KEYS": "", "SCANNER_API_KEYS_FILE": str(file)}
    with (tmp_path / "config.yaml").open("a") as config:
        config.write("keys: {leaver: {policies: [default]}}\n")

    def write(*names):
        file.write_text("".join(f"{name}={sha256(key_of(name)).hexdigest()}\n" for name in names))

    write("leaver", "other")
    return write


def callers(reloading, *names):
    """Those of *names* whose keys are known."""
    found = []
    for name in names:
        with contextlib.suppress(Unauthorized):
            found.append(reloading.served.keys.authenticate([(b"x-api-key", key_of(name))]).name)
    return found


def test_a_key_that_is_listed_no_more_ends_though_the_configuration_still_names_it(environment, listed):
    reloading = Reloading(begin(environment), environment, Metrics())
    listed("other", "newcomer")
    reloading.reload()
    assert (names(reloading), counted(reloading, "refused")) == (["first"], 1)
    assert callers(reloading, "leaver", "other", "newcomer") == ["other"]


def test_a_list_of_keys_that_cannot_be_used_ends_none(environment, listed, tmp_path):
    reloading = Reloading(begin(environment), environment, Metrics())
    for content in ("", "other=short\n"):
        (tmp_path / "keys").write_text(content)
        reloading.reload()
        assert callers(reloading, "leaver", "other") == ["leaver", "other"]


def test_a_worker_that_starts_when_a_key_has_gone_serves_the_others(environment, listed):
    accepted = Accepted()
    Reloading(begin(environment), environment, Metrics(), accepted)
    listed("other")
    started = Reloading(begin(environment, accepted), environment, Metrics(), accepted)
    assert callers(started, "leaver", "other") == ["other"]


@pytest.mark.parametrize("accepted", [None, Accepted()])
def test_without_anything_accepted_a_broken_file_ends_the_start(environment, tmp_path, accepted):
    (tmp_path / "config.yaml").write_text("policies: [")
    with pytest.raises(ConfigError, match="not YAML"):
        begin(environment, accepted)
