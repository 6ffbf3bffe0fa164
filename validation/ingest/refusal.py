"""Why a file is not read, in words for the person who has sent it."""

from typing import Any


class Refused(Exception):
    def __init__(self, code: str, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.problem = {"code": code, "detail": detail, **facts}
