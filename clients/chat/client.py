"""A small client of the conversations API: copy it. Standard library for REST, the `websockets` package for live events.

chat = Chat("http://127.0.0.1:8002", key)
conversation = chat.start("permit_desk", locale="en")
reply = chat.say(conversation["conversation_id"], "It is an office building")
for event in chat.watch(conversation["conversation_id"]): ...
"""

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


class Refused(Exception):
    """The server answered with a problem document; `problem` is that document."""

    def __init__(self, problem: Json) -> None:
        self.problem = problem
        super().__init__(f"{problem.get('error_code')}: {problem.get('detail')}")


class Chat:
    def __init__(self, base_url: str, key: str) -> None:
        self._base, self._key = base_url.rstrip("/"), key

    def start(self, flow_id: str, **more: Any) -> Json:
        """`more`: locale, channel, user_id, inputs, environment. Gives {conversation_id, response, …}."""
        return self.call("POST", "/api/v1/conversations", {"flow_id": flow_id, **more})

    def say(self, conversation_id: str, text: str, client_message_id: str = "") -> Json:
        """Safe to repeat with the same client_message_id: the turn happens once, and every repetition gets the same reply."""
        body = {"content": {"type": "text", "text": text}, "client_message_id": client_message_id or str(uuid.uuid4())}
        return self.call("POST", f"/api/v1/conversations/{conversation_id}/messages", body)

    def turn(self, conversation_id: str, number: int) -> Json:
        """One turn with its trace: why each transition was or was not taken."""
        return self.call("GET", f"/api/v1/conversations/{conversation_id}/turns/{number}")

    def state(self, conversation_id: str) -> Json:
        return self.call("GET", f"/api/v1/conversations/{conversation_id}")

    def watch(self, conversation_id: str, after: int = 0, timeout: float | None = None) -> Iterator[Json]:
        """Events as they happen, from sequence number `after` on; ends after `timeout` quiet seconds or when the server goes. Resume with the
        last `seq` you saw."""
        from websockets.exceptions import ConnectionClosed
        from websockets.sync.client import connect

        address = self._base.replace("http", "ws", 1) + f"/ws/v1/conversations/{conversation_id}/"
        with connect(address, subprotocols=["mcp-conversation.v1"], proxy=None) as socket:  # type: ignore[list-item]  # a NewType of str
            socket.send(json.dumps({"type": "authenticate", "token": self._key}))
            socket.send(json.dumps({"type": "subscribe", "after": after}))
            while True:
                try:
                    frame = json.loads(socket.recv(timeout=timeout))
                except (TimeoutError, ConnectionClosed):
                    return
                if frame["type"] == "error":
                    raise Refused(frame)
                if frame["type"] == "ping":  # without an answer the server sends no more than 256 events
                    socket.send(json.dumps({"type": "pong", "seq": frame["seq"]}))
                if frame["type"] == "event":
                    yield frame

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        request = urllib.request.Request(  # noqa: S310  the address is the caller's own server
            self._base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  as above
                found: Json = json.load(answer)
                return found
        except urllib.error.HTTPError as refused:
            raise Refused(json.load(refused)) from None
