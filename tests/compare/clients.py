"""Clients that try again, of tests/compare/rolling_restart and failover: what they put, and whether it is there."""

import json
import random
import re
import socket
import threading
import time

ANSWER_SECONDS_MAX = 1
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
PAUSE_SECONDS = (0.002, 0.008)
LOST_TOLD_MAX = 10


class Connection:
    """One that is kept, with little more than vesperd's replies need: what http.client does besides takes several times
    the CPU, of which the nodes of a small machine are in need. OSError: there is no answer."""

    def __init__(self, address):
        host, port = address.removeprefix("http://").rsplit(":", 1)
        self.host = host
        self.socket = socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, method, path, body, headers):
        """The body of the reply."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {len(body)}\r\n"
                            f"{lines}\r\n{body}".encode("ascii"))
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self.receive()
        found = LENGTH.search(received, 0, end + 2)
        if not found:
            raise OSError(f"no length: {received}")
        end += 4 + int(found[1])
        while len(received) < end:
            received += self.receive()
        return received[end - int(found[1]):end]

    def receive(self):
        received = self.socket.recv(65536)
        if not received:
            raise ConnectionResetError
        return received

    def close(self):
        self.socket.close()


class Client(threading.Thread):
    """Puts one value after the other at whichever node answers, each until it is done: under a session and a number of
    its own, so that a try of which nothing is known may be repeated. Its keys take turns. One connection, which is
    kept; a redirect is followed at once, but not two in a row; where nobody answers, or nobody leads, comes a short
    pause and then the next node's turn. Each value is its client's number and its own."""

    def __init__(self, number, addresses, keys=1, patience=5.0, think=0.0):
        super().__init__(daemon=True)
        self.number, self.addresses, self.keys = number, addresses, keys
        self.patience, self.think = patience, think  # in seconds; the latter after each PUT
        self.turn = self.at = number % len(addresses)
        self.connection, self.sent, self.is_redirected = None, None, False
        self.done, self.tries, self.failed, self.stop = 0, 0, 0, False

    def key_of(self, number):
        return f"client {self.number} key {number % self.keys}"

    def on_done(self, sent, now):
        """A PUT is done, by a try that was sent then."""

    def ask(self, method, path, body, headers):
        """The reply's JSON, or None: nobody answered, or nobody could."""
        self.tries += 1
        self.sent = time.monotonic()
        try:
            if self.connection is None:
                self.connection = Connection(self.addresses[self.at])
            reply = json.loads(self.connection.ask(method, path, body, headers))
        except (OSError, ValueError):
            reply = None
        if reply and reply["code"] == "success":
            self.is_redirected = False
            return reply
        self.go_on((reply or {}).get("payload", {}).get("message"))
        return None

    def go_on(self, elsewhere):
        if self.connection:
            self.connection.close()
            self.connection = None
        if elsewhere:
            self.at = self.addresses.index(elsewhere)
        else:
            self.at = self.turn = (self.turn + 1) % len(self.addresses)
        if not elsewhere or self.is_redirected:
            time.sleep(random.uniform(*PAUSE_SECONDS))
        self.is_redirected = bool(elsewhere)

    def until_done(self, *request):
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            if reply := self.ask(*request):
                return reply
        return None

    def run(self):
        registered = self.until_done("POST", "/session", "", {})
        if not registered:
            self.failed += 1
            return
        session = registered["payload"]["client"]
        while not self.stop:
            number = self.done + 1
            body = json.dumps({"payload": {"key": self.key_of(number), "value": [self.number, number]}})
            if not self.until_done("PUT", "/request", body, {"Idempotency-Key": f"{session}/{number}"}):
                self.failed += 1
                return
            now = time.monotonic()
            self.done = number
            self.on_done(self.sent, now)
            if self.think:
                time.sleep(self.think)

    def value_at(self, key):
        """As this client is told it, or None: there is none, or nobody tells."""
        reply = self.until_done("GET", "/request", json.dumps({"payload": {"key": key}}), {})
        return reply["payload"]["value"] if reply else None


def finish(clients):
    for client in clients:
        client.stop = True
    for client in clients:
        client.join()


def lost(clients, acknowledged, last=None):
    """Of the last so many keys of each client, which each has at least the value that was acknowledged last when the
    client had `acknowledged` behind it? Says of the first few that have not which they are."""
    told = []
    reader = Client(0, clients[0].addresses)
    for client, done in zip(clients, acknowledged):
        for number in range(max(1, done + 1 - min(last or client.keys, client.keys)), done + 1):
            value = reader.value_at(client.key_of(number))
            is_there = value and value[0] == client.number and number <= value[1] <= client.done + 1
            if not is_there or client.key_of(value[1]) != client.key_of(number):
                told.append(f"{client.key_of(number)!r}: put {number} was acknowledged, {value} is there")
            if len(told) == LOST_TOLD_MAX:
                return told
    return told
