"""A CAD plugin as small as can be: it speaks mcp-validation.v1 over a plain socket."""

import json
import threading
import urllib.request
from contextlib import ExitStack
from http.cookiejar import CookieJar
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect


class Plugin:
    """Logs in as a person, takes a ticket, says hello, and answers pings as long as the block lasts."""

    def __init__(self, base: str, building: str, name: str, password: str) -> None:
        self._base, self._building, self._name, self._password = base, building, name, password
        self._open = ExitStack()
        self._socket: ClientConnection
        self._acks = threading.Semaphore(0)
        self._head = self._sent = 0

    def __enter__(self) -> Self:
        address = f"{self._base.replace('http', 'ws')}/ws/v1/buildings/{self._building}/validation/?ticket={self._ticket()}"
        opened = connect(address, subprotocols=["mcp-validation.v1"], max_size=None)  # type: ignore[list-item]  # a NewType of str
        self._socket = self._open.enter_context(opened)
        self._say(type="hello", client="Test CAD", version="7", capabilities=["partial"], building_id=self._building)
        while (frame := json.loads(self._socket.recv(timeout=20)))["type"] != "welcome":
            assert frame["type"] != "error", frame
        self._head = frame["head_seq"]
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()

    def change(self, global_id: Any, fields: dict[str, Any]) -> None:
        """Send a change, and wait until the server has taken it."""
        self._sent += 1
        op = {"op": "upsert", "global_id": global_id, "ifc_class": "IfcDoor", "set": fields}
        self._say(type="changes", client_seq=self._sent, base_seq=self._head, ops=[op])
        assert self._acks.acquire(timeout=20), "no ack"

    def _listen(self) -> None:
        for text in self._socket:
            frame = json.loads(text)
            if frame["type"] == "ping":
                self._say(type="pong", id=frame["id"])
            elif frame["type"] == "ack":
                self._head = frame["seq"]
                self._acks.release()

    def _say(self, **frame: Any) -> None:
        self._socket.send(json.dumps(frame))

    def _ticket(self) -> str:
        cookies = CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
        login = f"{self._base}/admin/login/"
        browser.open(login, timeout=20)
        form = f"username={self._name}&password={self._password.replace(' ', '+')}&csrfmiddlewaretoken={_csrf(cookies)}"
        browser.open(urllib.request.Request(login, form.encode(), {"Referer": login}), timeout=20)
        head = {"X-CSRFToken": _csrf(cookies), "Content-Type": "application/json", "Referer": login}
        with browser.open(urllib.request.Request(f"{self._base}/api/v1/ws-tickets", b"{}", head), timeout=20) as answer:
            return str(json.load(answer)["ticket"])


def _csrf(cookies: CookieJar) -> str:
    return next(cookie.value or "" for cookie in cookies if cookie.name == "csrftoken")
