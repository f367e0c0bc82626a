"""
A chat application that asks the scanner beside it before it would call an LLM.

POST / with {"message": "…"} answers what the LLM would get, 400 if the scanner blocks, and 503 if it cannot be asked.
"""

import http.client
import json
import os
import socket
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

URL = urlsplit(os.environ["SCANNER_URL"])  # unix:///path or http://host:port


class OverSocket(http.client.HTTPConnection):
    """HTTP over the Unix socket that the two containers share."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(URL.path)


def scan(prompt):
    """The scanner's verdict; raises OSError if there is none."""
    make = OverSocket if URL.scheme == "unix" else http.client.HTTPConnection
    headers = {"Authorization": f"Bearer {os.environ['SCANNER_API_KEY']}", "Content-Type": "application/json"}
    with closing(make(URL.netloc or "localhost", timeout=12)) as scanner:
        scanner.request("POST", "/analyze/prompt", json.dumps({"prompt": prompt}), headers)
        answer = scanner.getresponse()
        if answer.status != 200:
            raise OSError(f"the scanner answered {answer.status}")
        return json.load(answer)


class Chat(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, {"status": "ready"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            verdict = scan(body["message"])
        except (OSError, http.client.HTTPException) as error:
            self.answer(503, {"error": str(error)})
            return
        if verdict["is_valid"]:
            self.answer(200, {"to_the_llm": verdict["sanitized_prompt"]})
        else:
            self.answer(400, {"blocked_by": [one["scanner"] for one in verdict["results"] if one["action"] == "block"]})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8080), Chat).serve_forever()
