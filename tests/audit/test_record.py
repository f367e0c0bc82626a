import asyncio
import threading
from functools import wraps

import pytest

from scanner_service.audit import record
from scanner_service.audit.record import Audit
from scanner_service.config import FileAudit, StdoutAudit
from scanner_service.errors import AuditFailed, ConfigError

KEY = b"a key of the tests of the audit log"


class Memory:
    """Keeps events; can be made to wait, or to fail."""

    def __init__(self):
        self.events = []
        self.writes = 0
        self.error = None
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun = threading.Event()
        self.closed = False

    def write(self, events):
        self.begun.set()
        self.go_on.wait()
        self.writes += 1
        if self.error is not None:
            raise self.error
        self.events += events

    def close(self):
        self.closed = True


class World:
    def __init__(self, *, required=False):
        self.sink = Memory()
        self.failures = []
        self.audit = Audit(
            self.sink, KEY, required=required, on_failure=lambda reason, count: self.failures.append((reason, count))
        )


def in_a_loop(test):
    """Runs a coroutine function as a test."""

    @wraps(test)
    def run(**fixtures):
        asyncio.run(test(**fixtures))

    return run


def ids(world):
    return [event.request_id for event in world.sink.events]


@in_a_loop
async def test_what_was_handed_over_is_written_before_the_end_in_its_order(decide):
    world = World()
    for number in range(300):
        await world.audit.record(decide(request_id=str(number)))
    await world.audit.aclose()
    assert ids(world) == [str(number) for number in range(300)]
    assert (world.failures, world.sink.closed) == ([], True)


@in_a_loop
async def test_nobody_waits_for_an_event_that_is_not_required(decide):
    world = World()
    world.sink.go_on.clear()
    await world.audit.record(decide())
    assert world.sink.events == []
    world.sink.go_on.set()
    await world.audit.aclose()
    assert len(world.sink.events) == 1


@in_a_loop
async def test_a_required_event_is_waited_for(decide):
    world = World(required=True)
    world.sink.go_on.clear()
    waiting = asyncio.create_task(world.audit.record(decide()))
    await asyncio.to_thread(world.sink.begun.wait)
    assert not waiting.done()
    world.sink.go_on.set()
    await waiting
    assert len(world.sink.events) == 1
    await world.audit.aclose()


@in_a_loop
async def test_a_required_event_that_cannot_be_written_is_an_error(decide):
    world = World(required=True)
    world.sink.error = OSError(28, "No space left on device")
    with pytest.raises(AuditFailed):
        await world.audit.record(decide())
    assert world.failures == [("write", 1)]
    world.sink.error = None
    await world.audit.record(decide())
    await world.audit.aclose()


@in_a_loop
async def test_a_required_event_that_takes_too_long_is_an_error(decide, monkeypatch):
    monkeypatch.setattr(record, "RECORD_SECONDS", 0.05)
    world = World(required=True)
    world.sink.go_on.clear()
    with pytest.raises(AuditFailed):
        await world.audit.record(decide())
    assert world.failures == [("late", 1)]
    world.sink.go_on.set()
    await world.audit.aclose()


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("bound", ["MAX_WAITING", "MAX_WAITING_CHARACTERS"])
@in_a_loop
async def test_what_waits_is_bounded(decide, monkeypatch, bound, required):
    monkeypatch.setattr(record, bound, 2 if bound == "MAX_WAITING" else 12)
    world = World(required=required)
    world.sink.go_on.clear()
    world.audit.note(decide(request_id="written"))
    await asyncio.to_thread(world.sink.begun.wait)
    for name in "ab":
        world.audit.note(decide(request_id=name))
    if required:
        with pytest.raises(AuditFailed):
            await world.audit.record(decide(request_id="c"))
    else:
        await world.audit.record(decide(request_id="c"))
    assert world.failures == [("full", 1)]
    world.sink.go_on.set()
    await world.audit.aclose()
    assert ids(world) == ["written", "a", "b"]


@in_a_loop
async def test_a_text_longer_than_all_that_may_wait_is_recorded_alone(decide, monkeypatch):
    monkeypatch.setattr(record, "MAX_WAITING_CHARACTERS", 3)
    world = World()
    world.audit.note(decide("longer than that"))
    await world.audit.aclose()
    assert len(world.sink.events) == 1


@in_a_loop
async def test_trouble_is_logged_once_and_its_end_too_without_the_text(decide, caplog, monkeypatch):
    caplog.set_level("INFO")
    world = World(required=True)
    world.sink.error = OSError(28, "the text, quoted")
    for _ in range(3):
        with pytest.raises(AuditFailed):
            await world.audit.record(decide())
    world.sink.error = None
    await world.audit.record(decide())
    await world.audit.aclose()
    assert [line.message for line in caplog.records] == ["could not record decisions", "decisions are recorded again"]
    assert [line.lost for line in caplog.records] == [1, 3]
    assert caplog.records[0].code == "ENOSPC"
    assert "quoted" not in str([vars(line) for line in caplog.records])


@in_a_loop
async def test_a_bug_in_one_write_does_not_end_the_audit_log(decide):
    world = World(required=True)
    world.sink.error = ValueError("a bug")
    with pytest.raises(AuditFailed):
        await world.audit.record(decide())
    world.sink.error = None
    await world.audit.record(decide())
    await world.audit.aclose()
    assert len(world.sink.events) == 1


@in_a_loop
async def test_the_end_does_not_wait_for_ever(decide, monkeypatch, caplog):
    monkeypatch.setattr(record, "CLOSE_SECONDS", 0.05)
    world = World()
    world.sink.go_on.clear()
    world.audit.note(decide())
    await asyncio.to_thread(world.sink.begun.wait)
    world.audit.note(decide())
    await world.audit.aclose()
    assert [(line.message, line.lost) for line in caplog.records] == [("could not record decisions before the end", 2)]
    world.sink.go_on.set()


def test_without_a_configuration_nothing_is_recorded():
    assert record.begin(None, {}, KEY, print) is None


@pytest.mark.parametrize("config", [None, StdoutAudit()])
def test_a_short_key_is_refused_and_not_repeated(config):
    with pytest.raises(ConfigError, match="SCANNER_AUDIT_KEY is shorter than 16") as error:
        record.check(config, {"SCANNER_AUDIT_KEY": "too-short"}, write=False)
    assert "too-short" not in str(error.value)


def test_a_file_that_cannot_be_opened_is_found_out_before_the_start(tmp_path):
    config = FileAudit(path=str(tmp_path / "absent" / "audit.jsonl"))
    record.check(config, {}, write=False)
    with pytest.raises(ConfigError, match=r"audit\.jsonl: cannot be written: No such file"):
        record.check(config, {}, write=True)
