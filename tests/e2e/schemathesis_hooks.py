"""Lets Schemathesis write and read the lines of `/analyze/output/stream`, and knows batches; see test_schemathesis."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def one_line(context, value):
    return json.dumps(value).encode() + b"\n"


@schemathesis.deserializer("application/x-ndjson")
def last_line(context, response):
    return json.loads(response.content.splitlines()[-1])


@schemathesis.hook
def filter_case(context, case):
    # An item of a batch that is no string is answered with an error in its place, beside the answers to the others: the
    # answer as a whole is not the refusal that Schemathesis waits for. tests/http/ covers it.
    prompts = case.body.get("prompts") if isinstance(case.body, dict) else None
    return not (isinstance(prompts, list) and any(not isinstance(item, str) for item in prompts))
