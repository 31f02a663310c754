# SPDX-License-Identifier: Apache-2.0
"""A server that speaks as much of OpenAI's protocol as the tests need; how it behaves is the name of the model.

usage: model_server.py FOLDER    writes its port to FOLDER/port, and every request to FOLDER/requests.jsonl
"""
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder = sys.argv[1]
lock = threading.Lock()
seen = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers.get("Authorization", "")
        chat = self.path.endswith("/v1/chat/completions")
        asked = body["messages"][-1]["content"] if chat else body["prompt"]
        with lock:
            number = seen[(self.path, asked, body.get("seed"))] = seen.get((self.path, asked, body.get("seed")), 0) + 1
            total = sum(seen.values())
            with open(os.path.join(folder, "requests.jsonl"), "a") as out:
                out.write(json.dumps({"path": self.path, "key": bool(key), "body": body}) + "\n")
        model, text, reason = body["model"], f"Answer {body.get('seed')} to {asked}", "stop"
        if model == "flaky" and number == 1:
            return self.reply(429 if body["seed"] % 2 else 503, {"error": {"message": "busy"}}, [("Retry-After", "1")])
        if model == "down":
            return self.reply(500, {"error": {"message": "out of order"}})
        if model == "denied":
            return self.reply(401, {"error": {"message": f"no such key: {key}"}})
        if model == "redirect":
            return self.reply(307, {}, [("Location", f"http://localhost:{self.server.server_port}/elsewhere/v1/chat/completions")])
        if model == "huge" and body["seed"] % 2:
            return self.reply(200, b"{" + b" " * (9 << 20) + b"}")
        if model == "broken" and body["seed"] % 2:
            return self.reply(200, [b"<html>", b'{"choices": [{"message": {"content": null}}]}', b"[" * 5000, b"{\"choices\": 5}"][total % 4])
        if model == "echo":
            text += " " + key
        if model == "cut":
            reason = "length"
        if model == "hold" and total > 3:
            end = time.time() + 60
            while not os.path.exists(os.path.join(folder, "release")) and time.time() < end:
                time.sleep(0.05)
        message = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        self.reply(200, {"choices": [{**message, "index": 0, "finish_reason": reason}], "usage": {"completion_tokens": 7}})


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(os.path.join(folder, "port.partial"), "w") as out:
    out.write(str(server.server_port))
os.rename(os.path.join(folder, "port.partial"), os.path.join(folder, "port"))
server.serve_forever()
