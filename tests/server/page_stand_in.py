"""Stands in for the server behind the page: serves web/ and answers what it is told to."""

import http.server
import json
import pathlib
import threading
import time

WEB = pathlib.Path(__file__).resolve().parents[2] / "web"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
GIB = 1 << 30
MANY = 20000  # pieces of an answer that does not end by itself within any test


def loaded(name, parameters, file_format, context, heaps, kv_limit, requests=(), rate=0.0):
    """A model of /v1/status; `heaps` as (bytes, local, weights, kv, activations, staging, reserved)."""
    names = ("bytes", "device_local", "weights", "kv", "activations", "staging", "reserved")
    listed = [{"heap": i, **dict(zip(names, heap))} for i, heap in enumerate(heaps)]
    total = {kind: sum(heap[kind] for heap in listed) for kind in names[2:6]}
    return {
        "name": name,
        "state": "loaded",
        "architecture": "llama",
        "format": file_format,
        "parameters": parameters,
        "context": context,
        "device": {
            "name": "AMD Radeon Graphics (RADV GFX1151)",
            "type": "integrated",
            "driver": "radv Mesa 25.0.7",
        },
        "memory": {**total, "kv_limit": kv_limit, "total": sum(total.values()), "heaps": listed},
        "service": {
            "slots": 8,
            "requests": list(requests),
            "finished": 31,
            "cancelled": 2,
            "refused": 0,
            "failed": 0,
            "prompt_tokens": 48211,
            "cached_prompt_tokens": 30976,
            "completion_tokens": 20133,
            "cached_tokens": 6144,
            "tokens_per_second": rate,
            "draining": False,
        },
    }


def usual_status():
    heaps = [
        (64 * GIB, True, int(3.4 * GIB), int(0.5 * GIB), int(0.3 * GIB), 0, int(4.4 * GIB)),
        (48 * GIB, False, int(1.2 * GIB), 0, 0, int(0.25 * GIB), int(1.5 * GIB)),
    ]
    return {
        "version": "0.1.0",
        "seconds": 4210.0,
        "connections": 2,
        "requests": 1,
        "models": [
            loaded("Llama-3.1-8B-Q4_K_M", 8030261312, "Q4_K", 8192, heaps, 2 * GIB),
            {"name": "Qwen3-30B-A3B-Q4_K_M", "state": "available"},
        ],
    }


class StandIn:
    """`answers` maps what was asked last to a function(stand_in, request) that yields deltas or {"usage": {...}}."""

    def __init__(self):
        self.status = usual_status()
        self.answers = {}
        self.key = None
        self.requests = []  # bodies of /v1/chat/completions
        self.gone = 0  # clients that left before their answer was complete
        self.go_on = threading.Event()  # what "hold" waits for
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                stand_in.get(self)

            def do_POST(self):
                stand_in.post(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def close(self):
        self.go_on.set()
        self.server.shutdown()

    def get(self, http_request):
        path = http_request.path.split("?")[0]
        if path == "/v1/models":
            data = [{"id": model["name"], "object": "model"} for model in self.status["models"]]
            return self.send_json(http_request, {"object": "list", "data": data})
        if path == "/v1/status":
            return self.send_json(http_request, self.status)
        file = WEB / ("index.html" if path == "/" else path[1:])
        if file.parent != WEB or not file.is_file() or file.suffix not in TYPES:
            return self.send(http_request, 404, b"", "text/plain")
        return self.send(http_request, 200, file.read_bytes(), TYPES[file.suffix])

    def post(self, http_request):
        body = json.loads(http_request.rfile.read(int(http_request.headers["Content-Length"])))
        if not self.allowed(http_request):
            return
        self.requests.append(body)
        asked = body["messages"][-1]["content"]
        answer = self.answers.get(asked, echo)
        if isinstance(answer, tuple):
            status, message, headers = answer
            return self.send_json(http_request, {"error": {"message": message}}, status, headers)
        http_request.send_response(200)
        http_request.send_header("Content-Type", "text/event-stream")
        http_request.send_header("Connection", "close")
        http_request.end_headers()
        try:
            self.stream(http_request, answer(self, body), body["model"] if "model" in body else "")
        except (BrokenPipeError, ConnectionResetError):
            self.gone += 1
        http_request.close_connection = True

    def stream(self, http_request, deltas, model):
        def event(value):
            http_request.wfile.write(f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode())

        usage = {"prompt_tokens": 21, "completion_tokens": 0}
        for delta in deltas:
            if isinstance(delta, dict) and "usage" in delta:
                usage.update(delta["usage"])
                continue
            if isinstance(delta, str):
                delta = {"content": delta}
            usage["completion_tokens"] += 1
            event({"model": model, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        event({"choices": [], "usage": usage})
        http_request.wfile.write(b"data: [DONE]\n\n")

    def allowed(self, http_request):
        if self.key is None or http_request.headers.get("Authorization") == f"Bearer {self.key}":
            return True
        self.send(
            http_request,
            401,
            json.dumps({"error": {"message": "no valid API key"}}).encode(),
            "application/json",
        )
        return False

    def send_json(self, http_request, value, status=200, headers=()):
        if self.allowed(http_request):
            self.send(http_request, status, json.dumps(value).encode(), "application/json", headers)

    def send(self, http_request, status, body, content_type, headers=()):
        http_request.send_response(status)
        http_request.send_header("Content-Type", content_type)
        http_request.send_header("Content-Length", str(len(body)))
        http_request.send_header("Content-Security-Policy", POLICY)
        for name, value in headers:
            http_request.send_header(name, value)
        http_request.end_headers()
        http_request.wfile.write(body)


def echo(_, body):
    """What was asked, word by word."""
    yield "You said: "
    yield body["messages"][-1]["content"]


def held(*deltas):
    """`deltas`, of which all but the first wait for StandIn.go_on."""

    def answer(stand_in, _):
        yield deltas[0]
        stand_in.go_on.wait(60)
        yield from deltas[1:]

    return answer


def endless(_, __):
    """Never ends before its client has gone."""
    for i in range(MANY):
        yield f"{i} "
        time.sleep(0.005)
