"""A backend for the Petstore example: every operation of `openapi.yaml`, JSON only, in memory.

Standard library only.
Usage: python backend.py [port]     (default 8080, on 127.0.0.1, base path /api/v3)
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

BASE_PATH = "/api/v3"
MAX_BODY = 10_000_000
Answer = tuple[int, Any]


class Shop:
    """Pets, orders and users in memory. One lock, because each request has its own thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pets: dict[int, dict[str, Any]] = {
            1: {
                "id": 1,
                "name": "doggie",
                "photoUrls": [],
                "tags": [{"id": 1, "name": "friendly"}],
                "status": "available",
            },
            2: {
                "id": 2,
                "name": "kitty",
                "photoUrls": [],
                "tags": [{"id": 2, "name": "sleepy"}],
                "status": "pending",
            },
        }
        self.orders: dict[int, dict[str, Any]] = {
            1: {
                "id": 1,
                "petId": 1,
                "quantity": 1,
                "status": "placed",
                "complete": False,
            }
        }
        self.users: dict[str, dict[str, Any]] = {
            "user1": {"id": 1, "username": "user1", "firstName": "Ada"}
        }

    def answer(
        self, method: str, path: str, query: dict[str, list[str]], body: bytes
    ) -> Answer:
        """The status and JSON of one request."""
        for verb, pattern, operation in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and verb == method:
                try:
                    with self.lock:
                        return operation(self, match, query, body)
                except (ValueError, TypeError, KeyError, AttributeError):
                    return message(400, "the request is not understood")
        return message(404, f"no operation {method} {path}")


def message(status: int, text: str) -> Answer:
    return status, {"code": status, "message": text}


def found(thing: Any) -> Answer:
    return message(404, "there is no such thing") if thing is None else (200, thing)


def removed(thing: Any) -> Answer:
    return (
        message(404, "there is no such thing")
        if thing is None
        else message(200, "removed")
    )


def add(things: dict[int, dict[str, Any]], body: bytes) -> Answer:
    thing = dict(json.loads(body))
    thing["id"] = int(thing.get("id") or max(things, default=0) + 1)
    things[thing["id"]] = thing
    return 200, thing


def add_pet(
    shop: Shop, _match: re.Match[str], _query: dict[str, list[str]], body: bytes
) -> Answer:
    return add(shop.pets, body)


def put_pet(
    shop: Shop, _match: re.Match[str], _query: dict[str, list[str]], body: bytes
) -> Answer:
    pet = dict(json.loads(body))
    return add(shop.pets, body) if pet["id"] in shop.pets else found(None)


def pets_by_status(
    shop: Shop, _match: re.Match[str], query: dict[str, list[str]], _body: bytes
) -> Answer:
    wanted = {
        name for text in query.get("status", ["available"]) for name in text.split(",")
    }
    return 200, [pet for pet in shop.pets.values() if pet.get("status") in wanted]


def pets_by_tags(
    shop: Shop, _match: re.Match[str], query: dict[str, list[str]], _body: bytes
) -> Answer:
    wanted = {name for text in query.get("tags", []) for name in text.split(",")}
    return 200, [
        pet
        for pet in shop.pets.values()
        if wanted & {tag.get("name") for tag in pet.get("tags", [])}
    ]


def get_pet(
    shop: Shop, match: re.Match[str], _query: dict[str, list[str]], _body: bytes
) -> Answer:
    return found(shop.pets.get(int(match[1])))


def change_pet(
    shop: Shop, match: re.Match[str], query: dict[str, list[str]], _body: bytes
) -> Answer:
    pet = shop.pets.get(int(match[1]))
    if pet is not None:
        pet.update(
            {name: query[name][0] for name in ("name", "status") if name in query}
        )
    return found(pet)


def delete_pet(
    shop: Shop, match: re.Match[str], _query: dict[str, list[str]], _body: bytes
) -> Answer:
    return removed(shop.pets.pop(int(match[1]), None))


def add_picture(
    shop: Shop, match: re.Match[str], _query: dict[str, list[str]], body: bytes
) -> Answer:
    return (
        message(200, f"{len(body)} bytes received")
        if int(match[1]) in shop.pets
        else found(None)
    )


def inventory(
    shop: Shop, _match: re.Match[str], _query: dict[str, list[str]], _body: bytes
) -> Answer:
    return 200, dict(
        Counter(str(pet.get("status", "available")) for pet in shop.pets.values())
    )


def add_order(
    shop: Shop, _match: re.Match[str], _query: dict[str, list[str]], body: bytes
) -> Answer:
    return add(shop.orders, body)


def get_order(
    shop: Shop, match: re.Match[str], _query: dict[str, list[str]], _body: bytes
) -> Answer:
    return found(shop.orders.get(int(match[1])))


def delete_order(
    shop: Shop, match: re.Match[str], _query: dict[str, list[str]], _body: bytes
) -> Answer:
    return removed(shop.orders.pop(int(match[1]), None))


def add_user(
    shop: Shop, _match: re.Match[str], _query: dict[str, list[str]], body: bytes
) -> Answer:
    user = dict(json.loads(body))
    shop.users[str(user["username"])] = user
    return 200, user


def add_users(
    shop: Shop, _match: re.Match[str], _query: dict[str, list[str]], body: bytes
) -> Answer:
    users = [dict(user) for user in json.loads(body)]
    shop.users.update({str(user["username"]): user for user in users})
    return 200, users


def log_in(
    shop: Shop, _match: re.Match[str], query: dict[str, list[str]], _body: bytes
) -> Answer:
    return (
        message(200, "logged in")
        if query.get("username", [""])[0] in shop.users
        else message(400, "wrong user name or password")
    )


def log_out(
    _shop: Shop, _match: re.Match[str], _query: dict[str, list[str]], _body: bytes
) -> Answer:
    return message(200, "logged out")


def get_user(
    shop: Shop, match: re.Match[str], _query: dict[str, list[str]], _body: bytes
) -> Answer:
    return found(shop.users.get(unquote(match[1])))


def put_user(
    shop: Shop, match: re.Match[str], _query: dict[str, list[str]], body: bytes
) -> Answer:
    name = unquote(match[1])
    if name not in shop.users:
        return found(None)
    shop.users[name] = {**dict(json.loads(body)), "username": name}
    return 200, shop.users[name]


def delete_user(
    shop: Shop, match: re.Match[str], _query: dict[str, list[str]], _body: bytes
) -> Answer:
    return removed(shop.users.pop(unquote(match[1]), None))


ROUTES = (
    ("POST", r"/pet", add_pet),
    ("PUT", r"/pet", put_pet),
    ("GET", r"/pet/findByStatus", pets_by_status),
    ("GET", r"/pet/findByTags", pets_by_tags),
    ("GET", r"/pet/([^/]+)", get_pet),
    ("POST", r"/pet/([^/]+)", change_pet),
    ("DELETE", r"/pet/([^/]+)", delete_pet),
    ("POST", r"/pet/([^/]+)/uploadImage", add_picture),
    ("GET", r"/store/inventory", inventory),
    ("POST", r"/store/order", add_order),
    ("GET", r"/store/order/([^/]+)", get_order),
    ("DELETE", r"/store/order/([^/]+)", delete_order),
    ("POST", r"/user", add_user),
    ("POST", r"/user/createWithList", add_users),
    ("GET", r"/user/login", log_in),
    ("GET", r"/user/logout", log_out),
    ("GET", r"/user/([^/]+)", get_user),
    ("PUT", r"/user/([^/]+)", put_user),
    ("DELETE", r"/user/([^/]+)", delete_user),
)


class Handler(BaseHTTPRequestHandler):
    """The HTTP interface of the shop."""

    protocol_version = "HTTP/1.1"
    shop = Shop()

    def handle_any(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            body = self.read_chunks()
        elif length.isdecimal() and int(length) <= MAX_BODY:
            body = self.rfile.read(int(length))
        else:
            body = None
        url = urlsplit(self.path)
        if body is None:
            self.close_connection = True
            status, data = message(413, "the body is too large")
        elif url.path.startswith(BASE_PATH + "/"):
            path = url.path.removeprefix(BASE_PATH)
            status, data = self.shop.answer(
                self.command, path, parse_qs(url.query), body
            )
        else:
            status, data = message(
                404, f"everything here is below {BASE_PATH}/, not at {url.path}"
            )
        content = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def read_chunks(self) -> bytes | None:
        body = b""
        while True:
            size = int(self.rfile.readline(100).split(b";")[0].strip() or b"0", 16)
            if len(body) + size > MAX_BODY:
                return None
            body += self.rfile.read(size)
            line = self.rfile.readline(1000)
            if size == 0:
                while line.strip():
                    line = self.rfile.readline(1000)
                return body

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = handle_any  # noqa: N815  names of http.server

    def log_message(self, *args: object) -> None:
        """Log nothing; the gateway has the access log."""


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    print(
        f"petstore backend on http://127.0.0.1:{server.server_port}{BASE_PATH}",
        flush=True,
    )
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
