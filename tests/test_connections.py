import asyncio
import gc
import socket
import weakref
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from scanner_service import connections
from scanner_service.connections import BoundedProtocol, PromisedWorker

REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


def make_worker(app):
    cfg = Config()
    cfg.set("keepalive", 5)
    return SimpleNamespace(
        cfg=cfg,
        log=Logger(cfg),
        asgi=app,
        loop=asyncio.get_running_loop(),
        alive=True,
        nr=0,
        nr_conns=0,
        max_requests=1000,
        worker_connections=10,
        state={},
    )


async def ok(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def answers(stop_after):
    """The heads of two answers on one connection, whose worker is told to stop at the end of request *stop_after*."""
    count = 0

    async def app(scope, receive, send):
        nonlocal count
        count += 1
        await ok(scope, receive, send)
        if count == stop_after:
            worker.alive = False

    worker = make_worker(app)
    server = await worker.loop.create_server(lambda: BoundedProtocol(worker), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    heads = []
    for _ in range(2):
        writer.write(REQUEST)
        heads.append((await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).lower())
        assert await reader.readexactly(2) == b"ok"
    rest = await asyncio.wait_for(reader.read(), 5) if not worker.alive else None
    writer.close()
    server.close()
    await asyncio.sleep(0.05)
    assert worker.nr_conns == 0
    return heads, rest


def test_a_worker_that_is_told_to_stop_keeps_its_promise_of_one_more_request():
    (first, last), rest = asyncio.run(answers(stop_after=1))
    assert b"connection: close" not in first
    assert b"connection: close" in last
    assert rest == b"", "and hangs up then"


def test_a_worker_that_goes_on_keeps_its_connections():
    (first, second), _ = asyncio.run(answers(stop_after=0))
    assert b"connection: close" not in first + second


@pytest.mark.parametrize("asked", [REQUEST, REQUEST[:-2] + b"Connection: close\r\n\r\n", b"GET", b""])
def test_a_closed_connection_is_gone_without_a_look_for_garbage(asked):
    async def scene():
        worker, protocols = make_worker(ok), weakref.WeakSet()

        def protocol():
            protocols.add(made := BoundedProtocol(worker))
            return made

        server = await worker.loop.create_server(protocol, "127.0.0.1", 0)
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(asked)
            if asked.endswith(b"\r\n\r\n"):
                await asyncio.wait_for(reader.readuntil(b"ok"), 5)
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(5):
            while worker.nr_conns or protocols:
                await asyncio.sleep(0.01)
        server.close()

    gc.collect()
    gc.disable()
    try:
        asyncio.run(scene())
    finally:
        gc.enable()


def test_what_a_connection_counts_is_counted_by_its_worker():
    real = SimpleNamespace(alive=True, nr=0)
    seen = PromisedWorker(real)
    seen.nr += 1
    seen.promised = True
    seen.alive = False
    assert (real.nr, real.alive, seen.alive) == (1, False, True)
    seen.promised = False
    assert not seen.alive


@pytest.mark.parametrize("asked", [REQUEST, REQUEST[:-2] + b"Connection: close\r\n\r\n"], ids=["kept", "closed"])
@pytest.mark.parametrize("size", [40_000, 4_000_000], ids=["below high water", "above"])
def test_an_answer_that_nobody_reads_is_dropped(asked, size, monkeypatch):
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 0.3)

    async def scene():
        worker = make_worker(answer_of(size))
        worker.cfg.set("keepalive", 1)
        _, writer, server = await connected_narrowly(worker)
        writer.write(asked)
        async with asyncio.timeout(10):
            while not worker.nr_conns:
                await asyncio.sleep(0.01)
            while worker.nr_conns:
                await asyncio.sleep(0.01)
        writer.close()
        server.close()

    asyncio.run(scene())


def test_an_answer_that_is_read_in_time_arrives_whole(monkeypatch):
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 2.0)

    async def scene():
        worker = make_worker(answer_of(4_000_000))
        reader, writer, server = await connected_narrowly(worker)
        for _ in range(2):
            writer.write(REQUEST)
            await asyncio.sleep(0.1)
            await reader.readuntil(b"\r\n\r\n")
            assert len(await asyncio.wait_for(reader.readexactly(4_000_000), 10)) == 4_000_000
        await asyncio.sleep(2.1)
        assert worker.nr_conns == 1
        writer.close()
        server.close()

    asyncio.run(scene())


def answer_of(size):
    async def app(scope, receive, send):
        headers = [(b"content-length", str(size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x" * size})

    return app


async def connected_narrowly(worker):
    """A connection of which the system holds little, so that what is not read stays in the server."""
    ours = socket.create_server(("127.0.0.1", 0))
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    server = await worker.loop.create_server(lambda: BoundedProtocol(worker), sock=ours)
    theirs = socket.socket()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    theirs.setblocking(False)
    await worker.loop.sock_connect(theirs, ours.getsockname())
    reader, writer = await asyncio.open_connection(sock=theirs, limit=4096)
    return reader, writer, server
