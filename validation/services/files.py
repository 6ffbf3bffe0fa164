"""Files that come in: stored before the transaction of the row that names them, which would hold a lock while they are copied."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.files.base import File


@contextmanager
def kept(field: Any, name: str, content: "File[bytes]") -> Iterator[None]:
    """`field`: a row's FileField. The transaction goes inside: when it does not come to its end, the file is taken away again."""
    field.save(name, content, save=False)
    storage, stored = field.storage, field.name
    try:
        yield
    except BaseException:
        storage.delete(stored)
        raise
