"""The outside, on this machine: a web server that does what its script says, a GraphQL server and a gRPC server. All count what they get."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    target: str  # path and query as they came
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int = 200
    body: Any = field(default_factory=dict)  # JSON, or bytes as they are
    headers: dict[str, str] = field(default_factory=dict)
    after_seconds: float = 0.0


class Web(ThreadingHTTPServer):
    """Answers with `answer(request)`; `script` gives the first answers, in order."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[Request] = []
        self.script: list[Reply] = []
        self.answer: Callable[[Request], Reply] = lambda request: Reply(body={"ok": True})
        self.lock = threading.Lock()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"


class _Handler(BaseHTTPRequestHandler):
    server: Web
    protocol_version = "HTTP/1.1"

    def _do(self) -> None:
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query)),
            target=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
        )
        with self.server.lock:
            self.server.got.append(request)
            reply = self.server.script.pop(0) if self.server.script else None
        reply = reply or self.server.answer(request)
        time.sleep(reply.after_seconds)
        raw = isinstance(reply.body, bytes)
        body = reply.body if raw else json.dumps(reply.body).encode()
        try:
            self.send_response(reply.status)
            for name, value in {"Content-Type": "text/plain" if raw else "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the other side has given up
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815  the names are the base class's

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def web() -> Iterator[Web]:
    server = Web()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def descriptor_set() -> Any:
    """registry.v1.Registry in two files: Find (no side effects), Slow, Watch (a stream)."""
    from google.protobuf import descriptor_pb2

    kinds = descriptor_pb2.FieldDescriptorProto
    shared = descriptor_pb2.FileDescriptorProto(name="registry/v1/parcel.proto", package="registry.v1", syntax="proto3")
    parcel = shared.message_type.add(name="Parcel")
    parcel.field.add(name="number", number=1, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
    parcel.field.add(name="owner", number=2, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
    parcel.field.add(name="square_metres", number=3, type=kinds.TYPE_INT64, label=kinds.LABEL_OPTIONAL)
    service_file = descriptor_pb2.FileDescriptorProto(
        name="registry/v1/registry.proto", package="registry.v1", syntax="proto3", dependency=["registry/v1/parcel.proto"]
    )
    asked = service_file.message_type.add(name="FindRequest")
    asked.field.add(name="number", number=1, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
    service = service_file.service.add(name="Registry")
    for name in ("Find", "Slow", "Watch"):
        method = service.method.add(name=name, input_type=".registry.v1.FindRequest", output_type=".registry.v1.Parcel")
        method.server_streaming = name == "Watch"
        if name == "Find":
            method.options.idempotency_level = descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
    return descriptor_pb2.FileDescriptorSet(file=[shared, service_file])


class Registry:
    """`fails`: status names that the next calls end with, in order."""

    def __init__(self, *, reflection: bool) -> None:
        import grpc
        from google.protobuf import descriptor_pool, message_factory
        from grpc_reflection.v1alpha import reflection as reflecting

        self.pool = descriptor_pool.DescriptorPool()
        for file in descriptor_set().file:
            self.pool.Add(file)
        kind = {name: message_factory.GetMessageClass(self.pool.FindMessageTypeByName(f"registry.v1.{name}")) for name in ("FindRequest", "Parcel")}
        self.got: list[tuple[Any, dict[str, str]]] = []
        self.fails: list[str] = []
        self._parcel = kind["Parcel"]

        def handler(work: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(
                work, request_deserializer=kind["FindRequest"].FromString, response_serializer=kind["Parcel"].SerializeToString
            )

        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        calls = {"Find": handler(self._find), "Slow": handler(self._slow)}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("registry.v1.Registry", calls),))
        if reflection:
            reflecting.enable_server_reflection(["registry.v1.Registry"], self._server, pool=self.pool)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.stop(None).wait(5)

    def _find(self, request: Any, context: Any) -> Any:
        import grpc

        self.got.append((request, {item.key: item.value for item in context.invocation_metadata()}))
        if self.fails:
            context.abort(getattr(grpc.StatusCode, self.fails.pop(0)), "as it was told")
        return self._parcel(number=request.number, owner="Ada", square_metres=900)

    def _slow(self, request: Any, context: Any) -> Any:
        time.sleep(1.0)
        return self._find(request, context)


@contextmanager
def reflection(told: Callable[[str], Iterator[bytes]]) -> Iterator[str]:
    """The host of a server that has nothing but a reflection service, which answers each question (a symbol or a file name) with these files."""
    import grpc
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    class Told(reflection_pb2_grpc.ServerReflectionServicer):  # type: ignore[misc]  # has no types
        def ServerReflectionInfo(self, request_iterator: Any, context: Any) -> Iterator[Any]:  # noqa: N802  the name is the protocol's
            for asked in request_iterator:
                for file in told(asked.file_containing_symbol or asked.file_by_filename):
                    files = reflection_pb2.FileDescriptorResponse(file_descriptor_proto=[file])
                    yield reflection_pb2.ServerReflectionResponse(file_descriptor_response=files)

    server = grpc.server(futures.ThreadPoolExecutor(4))
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(Told(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait(5)


@contextmanager
def registry(*, reflection: bool = True) -> Iterator[Registry]:
    server = Registry(reflection=reflection)
    try:
        yield server
    finally:
        server.stop()
