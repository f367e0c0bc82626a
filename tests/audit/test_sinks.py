import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from scanner_service.audit.event import event_of
from scanner_service.audit.sinks import File, Stdout, open_sink
from scanner_service.config import FileAudit, StdoutAudit

KEY = b"a key of the tests of the audit log"


@pytest.fixture
def events(decide):
    return [event_of(decide(request_id=f"r{number}"), KEY) for number in range(3)]


def ids(path):
    return [json.loads(line)["request_id"] for line in path.read_text().splitlines()]


@pytest.fixture
def small(tmp_path):
    """A folder that is full after a page."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("only root may mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_events_are_lines_that_only_the_owner_may_read(tmp_path, events):
    sink = File(tmp_path / "audit.jsonl")
    sink.write(events[:2])
    sink.write(events[2:])
    sink.close()
    assert ids(tmp_path / "audit.jsonl") == ["r0", "r1", "r2"]
    assert stat.S_IMODE((tmp_path / "audit.jsonl").stat().st_mode) == 0o600


@pytest.mark.parametrize("taken_away", [lambda path: path.rename(path.with_suffix(".1")), lambda path: path.unlink()])
def test_a_file_that_was_taken_away_is_begun_anew(tmp_path, events, taken_away):
    path = tmp_path / "audit.jsonl"
    sink = File(path)
    sink.write(events[:1])
    taken_away(path)
    sink.write(events[1:])
    assert ids(path) == ["r1", "r2"]


def test_a_file_that_is_cut_goes_on_from_its_beginning(tmp_path, events):
    path = tmp_path / "audit.jsonl"
    sink = File(path)
    sink.write(events[:1])
    os.truncate(path, 0)
    sink.write(events[1:])
    assert ids(path) == ["r1", "r2"]


def test_a_folder_that_vanishes_is_an_error_until_it_is_back(tmp_path, events):
    folder = tmp_path / "logs"
    sink = File(folder / "audit.jsonl")
    with pytest.raises(OSError):
        sink.write(events)
    folder.mkdir()
    sink.write(events[:1])
    (folder / "audit.jsonl").unlink()
    folder.rmdir()
    with pytest.raises(OSError):
        sink.write(events)
    folder.mkdir()
    sink.write(events[2:])
    assert ids(folder / "audit.jsonl") == ["r2"]


def test_a_device_that_is_full_is_an_error(events):
    with pytest.raises(OSError, match="No space left"):
        File(Path("/dev/full")).write(events)


def test_a_full_disk_leaves_no_half_line_and_is_written_to_again_once_it_is_not(small, events):
    path, filler = small / "audit.jsonl", small / "filler"
    sink = File(path)
    sink.write(events[:1])
    filler.write_bytes(bytes(4096))
    written, full = 1, False
    while not full:
        try:
            sink.write(events)
            written += 3
        except OSError as error:
            full = error.errno == errno.ENOSPC
    assert len(ids(path)) == written
    filler.unlink()
    sink.write(events[2:])
    sink.close()
    assert len(ids(path)) == written + 1


WRITER = """
import sys, msgspec
from scanner_service.audit.event import Event, Scanned
from scanner_service.audit.sinks import File, Stdout
from pathlib import Path
sink = Stdout() if sys.argv[1] == "-" else File(Path(sys.argv[1]))
said = Scanned(score=0.5, threshold=0.5, action="allow", labels=[], error=None)
long = {f"rule-{number}": said for number in range(2000)}
for number in range(12):
    sink.write([Event(time="", id=str(number), request_id=sys.argv[2], route="", direction="", key="", policy="",
        policy_digest="", verdict="", cached=False, characters=1, fingerprint="", scanners=long)] * (1 + number % 3))
"""


@pytest.mark.parametrize("where", ["file", "pipe"])
def test_lines_longer_than_a_pipe_holds_stay_whole_beside_those_of_other_processes(tmp_path, where):
    path = tmp_path / "audit.jsonl"
    read, write = os.pipe()
    target = str(path) if where == "file" else "-"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, target, name], stdout=write) for name in "abc"]
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        content = pipe.read()
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    lines = path.read_bytes().splitlines() if where == "file" else content.splitlines()
    assert min(map(len, lines)) > 65_536
    assert sorted(json.loads(line)["request_id"] for line in lines) == sorted("abc" * 24)


def test_each_configuration_has_its_sink(tmp_path):
    assert isinstance(open_sink(StdoutAudit()), Stdout)
    assert isinstance(open_sink(FileAudit(path=str(tmp_path / "a"))), File)
    assert not (tmp_path / "a").exists()
