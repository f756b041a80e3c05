#!/usr/bin/env python3
"""Many streaming clients at once against a real `caldera serve`, some of which go away in the middle.

Checks that nobody meets an error, that every text is that of the same request alone at temperature 0, that the
server's memory stays flat, and that nothing is left of any request at the end. Prints a table; ends with 1 where
something does not hold.
"""
import argparse
import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter

from traffic import MODEL, Reply, alone, ask, make_requests

MIB = 1 << 20


class Server:
    """A `caldera serve` of our own, on a port of its own."""

    def __init__(self, arguments):
        command = [arguments.program, "serve", arguments.model, "--name", MODEL, "--port", "0", "--log", "none", "--quiet",
                   "--parallel", str(arguments.sequences), "--context", str(arguments.context),
                   "--queue", str(2 * arguments.clients), "--client-queue", str(2 * arguments.clients)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.match(r"listening on http://127\.0\.0\.1:(\d+)$", line.strip())
        if not found:
            self.process.wait()
            sys.exit(f"soak: error: the server does not come up: {line.strip()}")
        self.port = int(found.group(1))

    def resident(self):
        """Bytes of memory that the process holds."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


class Memory:
    """What the process holds, and of it what lies on a software device, whose memory is the process's."""

    def __init__(self, server, status):
        self.resident = server.resident()
        self.device = sum(model["memory"]["total"] for model in status["models"] if "memory" in model)
        self.host = self.resident - self.device

    def row(self, name):
        return f"{name:<12}{self.resident / MIB:12.1f}{self.device / MIB:12.1f}{self.host / MIB:12.1f}"


async def status_of(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])


def under_way(status):
    return sum(len(model["service"]["requests"]) for model in status["models"] if "service" in model)


async def idle(port, seconds):
    """Waits until no request is left; seconds it took, or None."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if under_way(await status_of(port)) == 0:
            return time.monotonic() - begin
        await asyncio.sleep(0.02)
    return None


class Soak:
    def __init__(self, arguments, server, requests, expected):
        self.arguments = arguments
        self.port = server.port
        self.requests = requests
        self.expected = expected
        self.random = random.Random(arguments.seed)
        self.end = time.monotonic() + 60 * arguments.minutes if arguments.minutes else None
        self.left = arguments.requests
        self.outcomes = Counter()
        self.errors = []
        self.differences = []
        self.times = []

    def more(self):
        if self.end is not None:
            return time.monotonic() < self.end
        self.left -= 1
        return self.left >= 0

    async def client(self):
        while self.more():
            index = self.random.randrange(len(self.requests))
            drop = self.random.random() < self.arguments.dropping
            after = self.random.randrange(1, 8) if drop else None
            reply = await ask(self.port, self.requests[index], after)
            self.count(index, reply)
            await asyncio.sleep(self.random.random() * 0.1)

    def count(self, index, reply: Reply):
        expected = self.expected[index].text
        if reply.error:
            self.outcomes["errors"] += 1
            self.errors.append(f"{self.requests[index].name}: {reply.error}")
        elif reply.dropped:
            self.outcomes["dropped"] += 1
            if not expected.startswith(reply.text):
                self.differences.append((index, reply.text))
        else:
            self.outcomes["whole"] += 1
            self.times.append(reply)
            if reply.text != expected:
                self.differences.append((index, reply.text))

    async def run(self):
        await asyncio.gather(*(self.client() for _ in range(self.arguments.clients)))


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def describe_difference(soak, index, text):
    expected = soak.expected[index].text
    at = len(os.path.commonprefix([expected, text]))
    return (f"  {soak.requests[index].name}: differs at character {at} of {len(expected)}: "
            f"{expected[at:at + 30]!r} alone, {text[at:at + 30]!r} here")


def report(arguments, soak, before, after, freed, seconds):
    """Prints what came of it; whether all holds."""
    print(f"{arguments.clients} clients, {arguments.sequences} sequences, {len(soak.requests)} different requests,"
          f" {seconds:.0f} s")
    print(f"whole {soak.outcomes['whole']}, dropped {soak.outcomes['dropped']}, errors {soak.outcomes['errors']}, "
          f"texts that differ {len(soak.differences)}")
    first = [reply.first_seconds for reply in soak.times]
    whole = [reply.seconds for reply in soak.times]
    print(f"{'seconds':<12}{'median':>12}{'95 %':>12}{'longest':>12}")
    for name, values in (("first text", first), ("whole", whole)):
        print(f"{name:<12}{percentile(values, .5):12.2f}{percentile(values, .95):12.2f}{max(values, default=0):12.2f}")
    tokens = sum(reply.events for reply in soak.times)
    print(f"{tokens / max(seconds, 1e-9):.1f} pieces of text a second")
    print(f"{'MiB':<12}{'resident':>12}{'device':>12}{'host':>12}")
    print(before.row("at start"))
    print(after.row("at end"))
    growth = after.host - before.host
    flat = growth <= arguments.growth * MIB
    print(f"host memory grew by {growth / MIB:.1f} MiB, {arguments.growth} are allowed")
    print("requests left at the end: " + (f"none, after {freed:.2f} s" if freed is not None else "some"))
    for error in soak.errors[:20]:
        print("  " + error)
    for index, text in soak.differences[:20]:
        print(describe_difference(soak, index, text))
    return flat and freed is not None and not soak.errors and not soak.differences


async def soak_of(arguments, server):
    requests = make_requests(arguments.tokens, arguments.kinds)
    expected = [await alone(server.port, request) for request in requests]
    for request, reply in zip(requests, expected):
        if reply.error:
            sys.exit(f"soak: error: {request.name}, alone: {reply.error}")
    soak = Soak(arguments, server, requests, expected)
    # Everything is at work once before memory is looked at: connections, sequences, pages.
    await asyncio.gather(*(ask(server.port, requests[i % len(requests)], None) for i in range(arguments.clients)))
    before = Memory(server, await status_of(server.port))
    begin = time.monotonic()
    await soak.run()
    seconds = time.monotonic() - begin
    freed = await idle(server.port, 60)
    after = Memory(server, await status_of(server.port))
    return report(arguments, soak, before, after, freed, seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, help="the caldera program")
    parser.add_argument("--model", required=True, help="the GGUF file")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--minutes", type=float, default=0, help="how long; 0: as many as --requests")
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--kinds", type=int, default=24, help="different requests")
    parser.add_argument("--tokens", type=int, default=24, help="most tokens of an answer")
    parser.add_argument("--dropping", type=float, default=0.1, help="share of requests that are left in the middle")
    parser.add_argument("--growth", type=float, default=32, help="MiB by which the server may grow")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    server = Server(arguments)
    try:
        good = asyncio.run(soak_of(arguments, server))
    finally:
        code = server.stop()
    if code != 0:
        print(f"the server ended with {code}")
    sys.exit(0 if good and code == 0 else 1)


main()
