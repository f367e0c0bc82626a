"""Two workers of the real server and a real Redis."""

from tests.e2e.conftest import configured, running, word


def samples(server, name):
    lines = [line for line in server.get("/metrics").text.splitlines() if line.startswith(name)]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_workers_share_rates_and_verdicts_and_go_on_when_redis_ends(tmp_path, redis_server):
    environment = configured(tmp_path / "server", {"default": [word("ATTACK")]}, limits={"requests_per_minute": 10})
    environment |= {"SCANNER_REDIS_URL": redis_server.url, "SCANNER_WORKERS": "2"}
    with running(tmp_path / "server", environment) as server:
        statuses = [server.post("/analyze/prompt", json={"prompt": "a"}).status_code for _ in range(13)]
        if not samples(server, "scanner_redis_failures_total"):  # a busy machine may keep Redis waiting
            assert statuses == [200] * 10 + [429] * 3
        lookups = samples(server, "scanner_verdict_cache_lookups_total")
        assert lookups['scanner_verdict_cache_lookups_total{level="memory",outcome="hit"}'] >= 7
        redis_server.kill()
        assert [server.post("/analyze/prompt", json={"prompt": "b"}).status_code for _ in range(6)] == [200] * 6
        assert samples(server, "scanner_redis_failures_total")['scanner_redis_failures_total{operation="rate"}'] >= 1
        assert redis_server.url not in server.output
