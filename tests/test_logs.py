import json
import logging

from scanner_service.logs import JsonFormatter


def format_record(message, **extra):
    record = logging.makeLogRecord({"name": "scanner_service.test", "levelno": 20, "levelname": "INFO", "msg": message})
    vars(record).update(extra)
    return JsonFormatter().format(record)


def test_a_record_is_one_line_of_json_with_its_extras():
    entry = json.loads(format_record("started", workers=2))
    assert (entry["message"], entry["level"], entry["workers"]) == ("started", "info", 2)


def test_a_line_break_cannot_forge_a_second_record():
    line = format_record("one\n{}", which="two\r\nthree\u2028")
    assert len(line.splitlines()) == 1 or "\u2028" in line
    assert "\n" not in line
    assert "\r" not in line


def test_the_message_of_an_exception_stays_out_of_the_log():
    error = ValueError("the text itself")
    line = format_record("failed", exc_info=(type(error), error, None))
    assert "the text itself" not in line
    assert json.loads(line)["error"] == "ValueError"
