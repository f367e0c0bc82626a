"""Where a stream goes, and what its head says."""

import pytest

from scanner_client.exchange import Exchange
from scanner_client.settings import Settings


def exchange(url):
    settings = Settings.read(url, "k" * 16, timeout=1, max_retries=0, on_unavailable="raise", headers=None)
    return Exchange(settings, "a prompt", {})


@pytest.mark.parametrize(
    ("url", "address", "target", "host"),
    [
        ("http://scanner", ("scanner", 80), b"/", b"scanner"),
        ("https://scanner.example", ("scanner.example", 443), b"/", b"scanner.example"),
        ("https://scanner.example:8443/guard/", ("scanner.example", 8443), b"/guard/", b"scanner.example:8443"),
        ("http://[::1]:8000", ("::1", 8000), b"/", b"[::1]:8000"),
    ],
)
def test_a_stream_goes_where_the_url_says(url, address, target, host):
    one = exchange(url)
    head = one.start().split(b"\r\n\r\n")[0].split(b"\r\n")
    assert one.address == address
    assert head[0] == b"POST " + target + b"analyze/output/stream HTTP/1.1"
    assert b"host: " + host in [line.lower() for line in head]
    assert (one.tls() is not None) is url.startswith("https:")
