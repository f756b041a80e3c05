"""Requests of both dialects, and a client of plain sockets that reads their streams."""
import asyncio
import json
import time
from dataclasses import dataclass


@dataclass
class Request:
    name: str
    path: str
    body: bytes


@dataclass
class Reply:
    text: str = ""
    events: int = 0  # pieces of text
    dropped: bool = False
    error: str = ""
    first_seconds: float = 0.0
    seconds: float = 0.0


MODEL = "soak"

QUESTIONS = [
    "What is the capital of France?",
    "Name three colours.",
    "Write one sentence about the sea.",
    "Why is the sky blue?",
    "Translate 'good morning' to Spanish.",
    "def add(a, b):",
    "List the planets.",
    "Zähle bis fünf. Ça va? 你好 🙂",
]

PASSAGE = (
    "A lighthouse stands on a rock far from the coast. Its keeper climbs the stairs every evening, cleans the "
    "glass and winds the clockwork that turns the lamp. Ships that pass in the night see three short flashes and "
    "a pause, and know by them where they are. In winter the waves reach up to the windows of the lowest room. ")


def conversations():
    """Short and long ones, some of which begin alike, endlessly."""
    number = 0
    while True:
        question = QUESTIONS[number % len(QUESTIONS)]
        kind = number // len(QUESTIONS) % 3
        if kind == 0:
            yield "short", [("user", question)]
        elif kind == 1:  # all of these share their beginning
            yield "shared", [("user", PASSAGE + question)]
        else:
            yield "turns", [("user", f"Hello, I am number {number}."), ("assistant", "Hello! How can I help you?"),
                            ("user", question)]
        number += 1


def make_requests(tokens, count):
    """`count` requests that all differ, of up to `tokens` tokens each, at temperature 0."""
    requests = []
    for number, (kind, messages) in zip(range(count), conversations()):
        # Dialects and lengths in turns of other lengths than those of the questions.
        openai = number % 3 != 2
        body = {"model": MODEL, "messages": [{"role": role, "content": content} for role, content in messages],
                "temperature": 0, "stream": True, "max_tokens": 4 + (number * 7) % max(1, tokens - 3)}
        path = "/v1/chat/completions" if openai else "/v1/messages"
        if openai:
            body["stream_options"] = {"include_usage": True}
        name = f"{'openai' if openai else 'anthropic'} {number} {kind} of {body['max_tokens']}"
        requests.append(Request(name, path, json.dumps(body).encode()))
    return requests


def piece_of(path, event):
    """Text of an event, or None; and whether it is the last."""
    if event == "[DONE]":
        return None, True
    data = json.loads(event)
    if "error" in data:
        raise ValueError(json.dumps(data["error"]))
    if path == "/v1/messages":
        if data["type"] == "content_block_delta":
            return data["delta"].get("text"), False
        return None, data["type"] == "message_stop"
    choices = data["choices"]
    return (choices[0]["delta"].get("content") if choices else None), False


async def lines_of(reader):
    """Lines of a body in chunks."""
    rest = b""
    while True:
        size = int((await reader.readline()).strip() or b"0", 16)
        chunk = await reader.readexactly(size + 2)
        if size == 0:
            return
        rest += chunk[:-2]
        *lines, rest = rest.split(b"\n")
        for line in lines:
            yield line.decode()


async def read_stream(reader, request, reply, begin, drop_after):
    status = (await reader.readline()).decode().strip()
    chunked = False
    while (line := (await reader.readline()).strip()):
        chunked = chunked or line.lower() == b"transfer-encoding: chunked"
    if " 200 " not in status or not chunked:
        reply.error = f"{status}: {(await reader.read())[:300].decode(errors='replace')}"
        return
    last = False
    async for line in lines_of(reader):
        if not line.startswith("data: "):
            continue
        text, ends = piece_of(request.path, line[len("data: "):])
        last = last or ends
        if not text:
            continue
        if not reply.events:
            reply.first_seconds = time.monotonic() - begin
        reply.text += text
        reply.events += 1
        if drop_after is not None and reply.events >= drop_after:
            reply.dropped = True
            return
    if not last:
        reply.error = "the stream ended without its last event"


async def ask(port, request, drop_after):
    """Reads an answer, or leaves after so many pieces of its text."""
    reply = Reply()
    begin = time.monotonic()
    writer = None
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write((f"POST {request.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                      f"Content-Length: {len(request.body)}\r\nConnection: close\r\n\r\n").encode() + request.body)
        await read_stream(reader, request, reply, begin, drop_after)
    except (OSError, ValueError, KeyError, asyncio.IncompleteReadError) as error:
        reply.error = f"{type(error).__name__}: {error}"
    finally:
        if writer is not None:
            writer.transport.abort() if reply.dropped else writer.close()
    reply.seconds = time.monotonic() - begin
    return reply


async def alone(port, request):
    return await ask(port, request, None)
