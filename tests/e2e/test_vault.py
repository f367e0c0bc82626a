"""Replaced values come back to whom they belong: over workers, restarts and credentials."""

import asyncio
import json
import random

import httpx2

from tests.e2e.conftest import KEY, TIED_KEY, configured, running

EMAILS = {"name": "pii", "kind": "pii", "action": "redact", "options": {"entities": ["EMAIL_ADDRESS"], "model": None}}
SECRETS = {"SCANNER_VAULT_KEYS": "a vault secret that outlives restarts"}
PAIRS = 1_000


async def converse(client, key, number):
    """One prompt and its output; what came back of the two values that went in."""
    headers = {"authorization": f"Bearer {key}"}
    mine = [f"{name}.{key[-6:]}.{number}@example.com" for name in ("ann", "bob")]
    prompt = {"prompt": f"Write to {mine[0]} and to {mine[1]}, then again to {mine[0]}."}
    asked = (await client.post("/analyze/prompt", json=prompt, headers=headers)).json()
    assert not any(value in asked["sanitized_prompt"] for value in mine)
    await asyncio.sleep(random.random() / 50)
    output = {"prompt": "", "output": "Sent to [EMAIL_ADDRESS_2], email_address_1.", "vault": asked["vault"]}
    answered = (await client.post("/analyze/output", json=output, headers=headers)).json()
    assert answered["sanitized_output"] == f"Sent to {mine[1]}, {mine[0]}."
    return asked["vault"]


def test_values_of_two_credentials_never_meet_over_two_workers(tmp_path):
    environment = configured(tmp_path, {"default": [EMAILS]}) | SECRETS | {"SCANNER_WORKERS": "2"}

    async def all_pairs(url):
        limits = httpx2.Limits(max_connections=16)
        async with httpx2.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
            pairs = [(key, number) for number in range(PAIRS) for key in (KEY, TIED_KEY)]
            tokens = await asyncio.gather(*(converse(client, *pair) for pair in pairs))
            foreign = {"prompt": "", "output": "[EMAIL_ADDRESS_1]", "vault": tokens[0]}  # made with KEY
            headers = {"authorization": f"Bearer {TIED_KEY}"}
            return await client.post("/analyze/output", json=foreign, headers=headers)

    with running(tmp_path, environment) as server:
        refused = asyncio.run(all_pairs(server.url))
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_vault_token")


def test_a_token_outlives_the_server_that_made_it(tmp_path):
    environment = configured(tmp_path, {"default": [EMAILS]}) | SECRETS
    with running(tmp_path, environment) as server:
        token = server.post("/analyze/prompt", json={"prompt": "ann@example.com"}).json()["vault"]
    with running(tmp_path, environment) as server:
        output = {"prompt": "", "output": "to [EMAIL_ADDRESS_1]", "vault": token}
        assert server.post("/analyze/output", json=output).json()["sanitized_output"] == "to ann@example.com"


def test_an_output_comes_back_over_http_while_it_is_being_sent(tmp_path):
    environment = configured(tmp_path, {"default": [EMAILS]}) | SECRETS
    with running(tmp_path, environment) as server:

        async def early_and_whole():
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            head = "POST /analyze/output/stream HTTP/1.1\r\nhost: a\r\nconnection: close\r\n"
            head += f"authorization: Bearer {KEY}\r\ncontent-type: application/x-ndjson\r\n"
            writer.write(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
            for line in ({}, {"delta": "some words " * 50 + "ann@exam"}):
                data = json.dumps(line) + "\n"
                writer.write(f"{len(data):x}\r\n{data}\r\n".encode())
            await writer.drain()
            early = await reader.readuntil(b'"text"')
            data = json.dumps({"delta": "ple.com, bye"}) + "\n"
            writer.write(f"{len(data):x}\r\n{data}\r\n0\r\n\r\n".encode())
            whole = early + await reader.read()
            writer.close()
            return early, whole

        early, whole = asyncio.run(asyncio.wait_for(early_and_whole(), 20))
    assert b"200" in early.split(b"\r\n")[0]
    assert b"is_valid" not in early
    assert b"[EMAIL_ADDRESS_1], bye" in whole
    assert b"ann@exam" not in whole
    assert b'"is_valid":true' in whole
