"""Whether the bench of the client runs with the client as it is."""

from bench import client


def test_both_clients_ask_the_fixed_server_in_turns_and_nothing_is_lost():
    with client.fixed_server() as url:
        told = client.compare(url, 40, 2)
    assert (told["requests"], told["errors"], told["retries"]) == (40, 0, 0)
    assert told["connections"] == 2
    assert told["connections_in_use"] == 0
    assert min(told["bare_wall_ms"], told["client_wall_ms"]) > 0
