"""A collector of OpenTelemetry: takes log records over HTTP and keeps them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest


class Collector(ThreadingHTTPServer):
    """Answers with `status`, and takes its time."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.seconds = 0.0
        self.requests: list[ExportLogsServiceRequest] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def records(self) -> list[Any]:
        resources = [resource for request in self.requests for resource in request.resource_logs]
        return [record for resource in resources for scope in resource.scope_logs for record in scope.log_records]


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        time.sleep(self.server.seconds)
        if self.path == "/v1/logs" and self.server.status == 200:
            self.server.requests.append(ExportLogsServiceRequest.FromString(body))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that runs."""
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield collector
        finally:
            collector.shutdown()
            thread.join()


def plain(value: Any) -> Any:
    """A value of a record as Python has it."""
    match value.WhichOneof("value"):
        case None:
            return None
        case "kvlist_value":
            return {entry.key: plain(entry.value) for entry in value.kvlist_value.values}
        case "array_value":
            return [plain(item) for item in value.array_value.values]
        case kind:
            return getattr(value, kind)
