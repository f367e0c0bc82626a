import json

import pytest
from jsonschema import Draft202012Validator

from scanner_service.http.openapi import OPERATIONS, document

OPERATION = {operation.path: operation for operation in OPERATIONS}


def validator(name):
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": document()["components"]})


def test_every_route_is_described_and_every_description_is_a_route(world):
    routes = {(route.path, method) for route in world.app.routes for method in route.methods - {"HEAD"}}
    described = {(path, method.upper()) for path, item in document()["paths"].items() for method in item}
    assert described == routes


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/analyze/prompt", {"prompt": "an ATTACK by Ada"}),
        ("/analyze/prompt", {"prompt": "fine", "policy": "broken", "scanners_suppress": ["quiet"]}),
        ("/analyze/output", {"prompt": "", "output": "Ada"}),
        ("/scan/prompt", {"prompt": "ATTACK", "fail_fast": True}),
        ("/scan/output", {"prompt": "", "output": "Ada"}),
        ("/analyze/prompts", {"prompts": ["fine", "", "Ada"]}),
    ],
)
def test_requests_and_answers_are_as_described(client, path, body):
    validator(OPERATION[path].takes.__name__).validate(body)
    response = client.post(path, json=body)
    assert response.status_code == 200
    validator(OPERATION[path].answers.__name__).validate(response.json())
    assert set(response.json()) == set(
        document()["components"]["schemas"][OPERATION[path].answers.__name__]["properties"]
    )


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/analyze/prompt", {}, 422),
        ("/analyze/prompt", {"prompt": 1}, 422),
        ("/analyze/prompt", {"prompt": "a", "surprise": 1}, 422),
        ("/analyze/output", {"prompt": "a"}, 422),
        ("/analyze/prompt", {"prompt": " "}, 422),
        ("/scan/output", {"prompt": "a", "output": ""}, 422),
        ("/analyze/prompts", {"prompts": "a"}, 422),
        ("/analyze/prompts", {"prompts": []}, 422),
        ("/scan/prompt", {"prompt": "a", "fail_fast": "yes"}, 422),
    ],
)
def test_what_the_description_forbids_is_refused_as_described(client, path, body, status):
    assert not validator(OPERATION[path].takes.__name__).is_valid(body)
    response = client.post(path, json=body)
    assert response.status_code == status
    described = document()["paths"][path]["post"]["responses"][str(status)]
    assert described["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorAnswer")
    validator("ErrorAnswer").validate(response.json())


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.path)
def test_examples_are_requests_that_are_answered(client, operation):
    validator(operation.takes.__name__).validate(operation.example)
    assert client.post(operation.path, json=operation.example).status_code == 200


def test_every_reference_leads_somewhere(client):
    served = client.get("/openapi.json", headers={"authorization": ""})
    assert served.json() == document()
    names = {name.rsplit("/", 1)[1] for name in json.dumps(document()).split('"') if name.startswith("#/components")}
    assert names <= set(document()["components"]["schemas"])
    for schema in document()["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
