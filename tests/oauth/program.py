"""A program that wants in, step by step as the standards have it, and the browser of the person whom it sends."""

import base64
import hashlib
import json
import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.test import Client

from mcp_platform.tenancy.models import User

BASE = "http://testserver"
RESOURCE = f"{BASE}/mcp"
CALLBACK = "http://127.0.0.1/back"
ASKED = "tools:echo conversations:read conversations:write"


class Program:
    def __init__(self, client_id: str, person: User | None, *, callback: str = CALLBACK) -> None:
        self.client_id, self.callback = client_id, callback
        self.verifier = secrets.token_urlsafe(48)
        self.state = secrets.token_urlsafe(8)
        self.browser = Client()
        self.wire = Client()  # of the program itself: without any cookie
        if person is not None:
            self.browser.force_login(person, backend="django.contrib.auth.backends.ModelBackend")

    def address(self, **changes: Any) -> str:
        """Of the consent page; a parameter given as None is left out."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.callback,
            "scope": ASKED,
            "state": self.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "resource": RESOURCE,
            **changes,
        }
        return f"/oauth/authorize?{urlencode({name: value for name, value in asked.items() if value is not None}, doseq=True)}"

    def look(self, **changes: Any) -> Any:
        return self.browser.get(self.address(**changes))

    def decide(self, *scopes: str, decision: str = "allow", **changes: Any) -> Any:
        return self.browser.post(self.address(**changes), {"decision": decision, "grant": list(scopes or ASKED.split())})

    def let_in(self, *scopes: str, **changes: Any) -> str:
        """The code that the person's browser brings."""
        return told(self.decide(*scopes, **changes))["code"]

    def exchange(self, brought: str, **changes: Any) -> Any:
        return self.ask(
            **{
                "grant_type": "authorization_code",
                "code": brought,
                "redirect_uri": self.callback,
                "client_id": self.client_id,
                "code_verifier": self.verifier,
                "resource": RESOURCE,
                **changes,
            }
        )

    def refresh(self, refresh_token: str, **changes: Any) -> Any:
        return self.ask(**{"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": self.client_id, **changes})

    def ask(self, **form: Any) -> Any:
        return self._post("/oauth/token", form)

    def revoke(self, token: str) -> Any:
        return self._post("/oauth/revoke", {"token": token, "client_id": self.client_id})

    def _post(self, path: str, form: dict[str, Any]) -> Any:
        body = urlencode({name: value for name, value in form.items() if value is not None}, doseq=True)
        return self.wire.post(path, body, content_type="application/x-www-form-urlencoded")

    def tokens(self, *scopes: str, **changes: Any) -> dict[str, Any]:
        answer = self.exchange(self.let_in(*scopes, **changes), resource=changes.get("resource", RESOURCE))
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = json.loads(answer.content)
        return found


def told(answer: Any) -> dict[str, str]:
    """What a redirect tells the client."""
    assert answer.status_code == 302, answer.content.decode()[:2000]
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
