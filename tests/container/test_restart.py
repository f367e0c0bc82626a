"""
Containers replaced under load, as a Deployment replaces its pods.

In Kubernetes the end of a pod and its removal from the endpoints begin at the same moment, and nodes hear of the
latter later. `Endpoints` stands for the Service: callers choose among the addresses that they know of.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import pytest

from tests.container.conftest import KEY, Container, podman, running

CALLERS = 6
PROPAGATION_SECONDS = 1.0
PRE_STOP_SECONDS = 2.0
BODY = json.dumps({"prompt": "When does the library open on Sundays?"})
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}


@dataclass
class Endpoints:
    """The ports that callers know of, and what became of their requests."""

    ports: list[int] = field(default_factory=list)
    answered: int = 0
    lost: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def call(self, *, keep_alive: bool) -> None:
        """Send one request after the other until it is over."""
        while not self.over.is_set():
            with closing(http.client.HTTPConnection("127.0.0.1", random.choice(self.ports), timeout=20)) as connection:
                while self.ask(connection) and keep_alive and not self.over.is_set():
                    pass

    def ask(self, connection: http.client.HTTPConnection) -> bool:
        """Send one request; whether *connection* can take another."""
        try:
            connection.request("POST", "/analyze/prompt", BODY, HEADERS)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.lost.append(repr(error))
            return False
        if answer.status == 200:
            self.answered += 1
        else:
            self.lost.append(f"status {answer.status}")
        return not answer.will_close


def replace_all(keep_alive: bool, pre_stop_seconds: float) -> Endpoints:
    """Replace two containers, one after the other, while callers call."""
    endpoints = Endpoints()
    with ExitStack() as stack:
        old = [stack.enter_context(running()) for _ in range(2)]
        endpoints.ports += [one.port for one in old]
        callers = [threading.Thread(target=endpoints.call, kwargs={"keep_alive": keep_alive}) for _ in range(CALLERS)]
        stack.callback(endpoints.over.set)
        for caller in callers:
            caller.start()
        for one in old:
            new = stack.enter_context(running())
            endpoints.ports.append(new.port)
            end(one, endpoints, pre_stop_seconds)
        time.sleep(1)
        endpoints.over.set()
        for caller in callers:
            caller.join()
    return endpoints


def end(container: Container, endpoints: Endpoints, pre_stop_seconds: float) -> None:
    removal = threading.Timer(PROPAGATION_SECONDS, endpoints.ports.remove, [container.port])
    removal.start()
    time.sleep(pre_stop_seconds)
    podman("stop", "--time", "30", container.name)
    removal.join()
    assert podman("inspect", "--format", "{{.State.ExitCode}}", container.name).stdout.strip() == "0"


@pytest.mark.parametrize("keep_alive", [False, True], ids=["new connections", "kept connections"])
def test_no_request_is_lost_while_containers_are_replaced(keep_alive):
    endpoints = replace_all(keep_alive, PRE_STOP_SECONDS)
    print(f"\nanswered {endpoints.answered}, lost {len(endpoints.lost)}")
    assert endpoints.answered > 100
    assert endpoints.lost == []


def test_without_the_pause_before_the_end_requests_would_be_lost():
    endpoints = replace_all(keep_alive=False, pre_stop_seconds=0)
    print(f"\nanswered {endpoints.answered}, lost {len(endpoints.lost)}")
    assert endpoints.lost
