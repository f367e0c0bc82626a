import json
import logging
import subprocess
import sys

from scanner_service.logs import JsonFormatter, quieten


def format_record(message, **extra):
    record = logging.makeLogRecord({"name": "scanner_service.test", "levelno": 20, "levelname": "INFO", "msg": message})
    vars(record).update(extra)
    return JsonFormatter().format(record)


def test_a_record_is_one_line_of_json_with_its_extras():
    entry = json.loads(format_record("started", workers=2))
    assert (entry["message"], entry["level"], entry["workers"]) == ("started", "info", 2)


def test_a_line_break_cannot_forge_a_second_record():
    which = "two\r\nthree\u2028four\u2029five\x85"
    line = format_record("one\n{}", which=which)
    assert len(line.splitlines()) == 1
    assert json.loads(line)["which"] == which


def test_the_message_of_an_exception_stays_out_of_the_log():
    error = ValueError("the text itself")
    line = format_record("failed", exc_info=(type(error), error, None))
    assert "the text itself" not in line
    assert json.loads(line)["error"] == "ValueError"


def test_a_library_says_the_same_thing_once_a_minute(capsys):
    now = 1000.0
    try:
        quieten("a_library", lambda: now)
        for seconds, number in ((0, 1), (30, 2), (61, 3)):
            record = logging.makeLogRecord(
                {"name": "a_library.part", "levelno": 30, "msg": "no answer, attempt %s", "args": (number,)}
            )
            record.created -= 3600 * number  # a clock that is set back
            now = 1000.0 + seconds
            logging.getLogger("a_library.part").handle(record)
        logging.getLogger("a_library.part").warning("something else")
    finally:
        logging.getLogger("a_library").handlers.clear()
    said = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert said == ["no answer, attempt 1", "no answer, attempt 3", "something else"]


def test_gunicorn_puts_no_line_together_that_nobody_reads():
    code = """
from gunicorn.config import Config
from gunicorn.glogging import Logger
from scanner_service import server

config = Config()
config.set("logconfig_dict", server.logconfig_dict)
print(Logger(config).access_log_enabled, server.logger_class(config).access_log_enabled)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "False"]
