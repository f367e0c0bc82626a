"""What `SCANNER_BIND` may say, and addresses that are taken."""

import contextlib
import socket

import pytest

from scanner_service.errors import ConfigError
from scanner_service.server import check_addresses, read_bind


@pytest.mark.parametrize(
    "value",
    ["127.0.0.1:8000", "0.0.0.0:0", "localhost:65535", "my_host-1.example:80", "[::]:8000", "[::1]:8000", "unix:/a b"],
)
def test_an_address_is_a_host_and_a_port_or_a_path(value):
    assert read_bind(value) == [value]
    assert read_bind(f" {value} ,unix:/run/a.sock,") == [value, "unix:/run/a.sock"]


@pytest.mark.parametrize("value", [None, ""])
def test_without_an_address_there_is_a_default(value):
    assert read_bind(value) == ["127.0.0.1:8000"]


@pytest.mark.parametrize(
    "value",
    [
        "http://127.0.0.1:8126",
        "tcp://127.0.0.1:8126",
        "127.0.0.1",
        ":8000",
        ":::8000",
        "[::]",
        "[::1:8000",
        "127.0.0.1:65536",
        "127.0.0.1:²",
        "a..b:80",
        "127.0.0.1:8000:8000",
        "unix:relative.sock",
        "fd://3",
    ],
)
def test_anything_else_is_refused_with_what_to_write(value):
    with pytest.raises(ConfigError) as error:
        read_bind(f"127.0.0.1:8000,{value}")
    assert str(error.value) == (
        f"SCANNER_BIND: `{value}` is neither `host:port`, such as `127.0.0.1:8000` or `[::]:8000`, nor `unix:/path`"
    )


def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match=rf"cannot listen on `{address}`: Address already in use"):
            check_addresses(["127.0.0.1:0", address])
    check_addresses([address])


def test_a_host_that_is_none_of_this_machine_is_named():
    with pytest.raises(ConfigError, match=r"cannot listen on `192\.0\.2\.1:0`: Cannot assign requested address"):
        check_addresses(["192.0.2.1:0"])


def test_a_socket_that_a_server_listens_on_is_not_taken_from_it(tmp_path):
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        with pytest.raises(ConfigError, match=rf"cannot listen on `unix:{path}`: Address already in use"):
            check_addresses([f"unix:{path}"])
        with contextlib.ExitStack() as waiting:
            listening.listen(0)
            for _ in range(2):  # as many as it takes, and one
                caller = waiting.enter_context(socket.socket(socket.AF_UNIX))
                caller.settimeout(0)
                caller.connect_ex(str(path))
            with pytest.raises(ConfigError, match="Address already in use"):
                check_addresses([f"unix:{path}"])
    check_addresses([f"unix:{path}"])  # left behind by a server that was killed
    assert path.is_socket()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("nowhere/a.sock", "No such file"), ("file", "Address already in use"), ("x" * 108, "too long")],
)
def test_a_path_that_no_socket_can_be_at_is_named(tmp_path, name, reason):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ConfigError, match=rf"cannot listen on `unix:{tmp_path}/{name}`: .*{reason}"):
        check_addresses([f"unix:{tmp_path}/{name}"])
    assert (tmp_path / "file").read_text() == "kept"


def test_trying_a_path_leaves_nothing_there(tmp_path):
    check_addresses([f"unix:{tmp_path}/a.sock"])
    assert list(tmp_path.iterdir()) == []
