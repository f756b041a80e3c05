"""A hub for tests: lists and gives the files below a folder, and misbehaves as the owner's name says.

Usage: hub_server.py FOLDER
Prints its port, and ends with its standard input.
"""
import hashlib
import http.server
import json
import os
import sys
import threading
import urllib.parse

ROOT = os.path.realpath(sys.argv[1])
PIECE = 100_000  # bytes that "cut" gives before it hangs up
lock = threading.Lock()
log = []  # what was asked: host, path, range, authorization
counts = {}  # requests by path
ports = []


def listing(owner, repo):
    folder = os.path.join(ROOT, owner, repo)
    entries = [{"type": "directory", "oid": "0", "size": 0, "path": "folder"}]
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                content = file.read()
            size = len(content)
            oid = hashlib.sha256(content).hexdigest()
            if owner == "wrongsum":
                oid = "0" * 64
            if owner == "wrongsize":
                size += 1
            entry = {"type": "file", "oid": "1" * 40, "size": size, "path": os.path.relpath(path, folder)}
            if owner != "nosum":
                entry["lfs"] = {"oid": oid, "size": size, "pointerSize": 135}
            entries.append(entry)
    if owner == "evil":
        entries += [{"type": "file", "size": 5, "path": path} for path in ("../../evil.gguf", "/evil.gguf", ".x.gguf", "a//b.gguf")]
    return sorted(entries, key=lambda entry: entry["path"])


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def fail(self, status, words, headers=()):
        self.reply(status, json.dumps({"error": words}).encode(), headers)

    def do_GET(self):
        port = self.server.server_address[1]
        url = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(url.path)
        if path == "/log":
            with lock:
                return self.reply(200, json.dumps(log).encode())
        with lock:
            log.append({"host": "hub" if port == ports[0] else "cdn", "path": path,
                        "range": self.headers.get("Range"), "authorization": self.headers.get("Authorization")})
            counts[path] = count = counts.get(path, 0) + 1
        parts = path.strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        owner, repo = parts[2:4] if api else parts[0:2]
        if port == ports[1]:
            if self.headers.get("Authorization"):
                return self.fail(400, "a token that is not mine")
            return self.give(owner, os.path.join(ROOT, *parts), count)
        if owner == "private" and self.headers.get("Authorization") != "Bearer secret":
            return self.fail(401, "Invalid username or password.")
        if owner == "gated":
            return self.fail(403, "Access to this model is restricted", [("X-Error-Code", "GatedRepo")])
        if owner == "broken" or (owner == "busy" and count <= 2):
            return self.fail(500 if owner == "broken" else 503, "out of order")
        if owner == "limited" and count <= 1:
            return self.fail(429, "slow down", [("Retry-After", "0")])
        if owner == "closed":
            return self.fail(429, "slow down", [("Retry-After", "9999")])
        if not os.path.isdir(os.path.join(ROOT, owner, repo)):
            return self.fail(404, "Repository not found")
        if api:
            return self.list(owner, repo, url)
        if parts[2] != "resolve" or parts[3] != "main":
            return self.fail(404, "Invalid rev id")
        if owner == "cdn":
            target = f"http://localhost:{ports[1]}/" + urllib.parse.quote("/".join([owner, repo, *parts[4:]]))
            return self.reply(302, b"elsewhere", [("Location", target)])
        return self.give(owner, os.path.join(ROOT, owner, repo, *parts[4:]), count)

    def list(self, owner, repo, url):
        if owner == "nolist":
            return self.reply(200, b"<html>welcome</html>")
        entries = listing(owner, repo)
        headers = []
        if owner == "paged":
            page = int(urllib.parse.parse_qs(url.query).get("page", ["0"])[0])
            if page + 1 < len(entries):
                headers = [("Link", f'<http://127.0.0.1:{ports[0]}{url.path}?recursive=1&page={page + 1}>; rel="next"')]
            entries = entries[page:page + 1]
        self.reply(200, json.dumps(entries).encode(), headers)

    def give(self, owner, path, count):
        with open(path, "rb") as file:
            content = file.read()
        etag = '"' + hashlib.md5(content).hexdigest() + (str(count) if owner == "changing" else "") + '"'
        headers = [("ETag", etag), ("Content-Type", "application/octet-stream")]
        wanted = self.headers.get("Range")
        start = 0
        if wanted and owner != "norange" and self.headers.get("If-Range", etag) == etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                return self.fail(416, "no such range")
            headers.append(("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"))
        body = content[start:]
        if owner == "longer":
            body += b"more"
        if owner == "damaged" and count == 1:
            body = body[:PIECE] + bytes(len(body) - PIECE)
        self.send_response(206 if start else 200)
        for name, value in headers:
            self.send_header(name, value)
        if owner not in ("longer", "unsized"):
            self.send_header("Content-Length", str(len(body)))
        else:
            self.close_connection = True
        self.end_headers()
        hang_up = owner == "cut" or (owner in ("cutonce", "unsized", "damaged", "changing", "norange") and count == 1)
        if hang_up:
            self.wfile.write(body[:PIECE * (2 if owner == "damaged" else 1)])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):  # clients hang up in tests
        pass


servers = [Server(("127.0.0.1", 0), Hub) for _ in range(2)]
ports += [server.server_address[1] for server in servers]
for server in servers:
    threading.Thread(target=server.serve_forever, daemon=True).start()
os.write(1, f"{ports[0]}\n".encode())  # at once: the reader goes away after it
sys.stdin.read()
