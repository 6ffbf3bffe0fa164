"""What servers say, made fit for our rows: PostgreSQL takes neither NUL characters nor half surrogate pairs, and JSON knows no NaN."""

from math import isfinite
from typing import Any


def clean(text: str) -> str:
    """NUL and half surrogate pairs become other signs, so that the text can be stored and sent."""
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def cleaned(data: Any) -> Any:
    """JSON with clean texts and keys; a number that is none becomes None."""
    if isinstance(data, str):
        return clean(data)
    if isinstance(data, float):
        return data if isfinite(data) else None
    if isinstance(data, dict):
        return {clean(str(key)): cleaned(item) for key, item in data.items()}
    return [cleaned(item) for item in data] if isinstance(data, list | tuple) else data
