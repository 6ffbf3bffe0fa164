"""An identity provider for tests: a real HTTP server that publishes keys, and tokens signed with them."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

_RSA = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
_EC = ec.generate_private_key(ec.SECP256R1())


class Issuer:
    """`keys` are published under their ids; `requests` counts how often somebody asked; `status` breaks the server."""

    audience = "mcp"

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {"rsa-1": _RSA[0], "ec-1": _EC}
        self.requests = 0
        self.status = 200
        self.body: bytes | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(outer.body if outer.body is not None else json.dumps({"keys": outer.published()}).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.host}"
        self.jwks_url = f"{self.url}/jwks"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def rotate(self) -> None:
        self.keys = {"rsa-2": _RSA[1]}

    def published(self) -> list[dict[str, Any]]:
        return [{**_public_jwk(key), "kid": kid, "use": "sig"} for kid, key in self.keys.items()]

    def public_pem(self, kid: str = "rsa-1") -> bytes:
        pem: bytes = self.keys[kid].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return pem

    def token(self, *, key: Any = None, alg: str = "RS256", headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A good token, except for what is given; a claim or header given as None is left out."""
        now = int(time.time())
        body = {"iss": self.url, "aud": self.audience, "sub": "ada", "exp": now + 300, "iat": now, "roles": ["viewer"], **claims}
        return jwt.encode(
            {name: value for name, value in body.items() if value is not None},
            key if key is not None else self.keys.get("rsa-1", _RSA[1]),
            algorithm=alg,
            headers={name: value for name, value in {"kid": "rsa-1", **(headers or {})}.items() if value is not None},
        )


def _public_jwk(key: Any) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return dict(algorithm.to_jwk(key.public_key(), as_dict=True))
