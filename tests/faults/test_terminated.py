"""SIGTERM: turns in flight finish or are handed over, and nobody gets a 5xx (promise 14)."""

import threading
import time
from collections import Counter
from collections.abc import Callable

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from conversations.proto import mcp_v2_pb2 as pb
from conversations.proto import mcp_v2_pb2_grpc
from tests.faults.calls import LOST, Caller, counting_register, meanwhile, together
from tests.faults.plant import Node, Plant, free_port, until
from tests.faults.sockets import Watcher

DRAIN_SECONDS = 2
LEAVING = 4503


class Balancer:
    """What a load balancer does: it sends new requests where the readiness probe is green, and looks every 0.2 s."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes
        self.addresses = [node.address for node in nodes]

    def look(self, stop: threading.Event) -> None:
        while not stop.wait(0.2):
            ready = [node.address for node in self._nodes if node.ready()]
            if ready:
                self.addresses = ready


def talk(balancer: Balancer, office: dict[str, str], number: int, stop: threading.Event) -> Counter[int]:
    """A client behind the balancer that does not repeat anything: what it gets is what happened."""
    statuses: Counter[int] = Counter()
    turn, conversation = 0, ""
    while not stop.is_set():
        addresses = balancer.addresses
        with Caller([addresses[turn % len(addresses)]], office["key"]) as caller:
            conversation = conversation or caller.start("register" if number % 2 else "echo")
            for _ in range(5):  # over one connection, as balancers keep them
                if stop.is_set():
                    break
                turn += 1
                body = {"content": {"type": "text", "text": f"{number}-{turn}"}, "client_message_id": f"m-{turn}"}
                statuses[caller.post(f"/api/v1/conversations/{conversation}/messages", body)[0]] += 1
                time.sleep(0.05)
                if not caller.connected:  # the answer said Connection: close
                    break
    return statuses


def test_a_rolling_restart_under_load(scaled: Plant) -> None:
    webs = [scaled.web(f"web-{number}", DRAIN_SECONDS=str(DRAIN_SECONDS)) for number in (1, 2)]
    workers = [scaled.worker(f"worker-{number}") for number in (1, 2)]
    for node in (*webs, *workers):
        node.wait_until_ready()
    balancer, stop = Balancer(webs), threading.Event()
    exits: dict[str, int] = {}

    def roll(_: threading.Event) -> None:
        time.sleep(1)
        for node in (*webs, workers[0]):
            node.terminate()
            if node.port:
                until(lambda node=node: node.probe() == 503, seconds=20, what="an unready process that still answers")  # type: ignore[misc]
            exits[node.name] = node.wait(40)
            node.start()
        time.sleep(1)
        stop.set()

    with counting_register(seconds=0.3) as register, meanwhile(balancer.look):
        office = scaled.ask("office", register=register.url, timeout_ms=5000)
        with Caller(balancer.addresses, office["key"]) as caller:
            watched = caller.start("echo")
            with Watcher(list(balancer.addresses), watched, office["key"]) as watcher:
                watcher.wait_for(1, 20)
                with meanwhile(roll):
                    statuses = sum(together([lambda n=n: talk(balancer, office, n, stop) for n in range(6)]), Counter[int]())  # type: ignore[misc]
                caller.hang_up()
                caller.say(watched, "hello")
                seq = int(caller.get(f"/api/v1/conversations/{watched}")[1]["last_seq"])
                watcher.wait_for(seq, 20)
        until(lambda: scaled.ask("open_work", tenant=office["tenant"]) == 0, seconds=30, what="every turn to end")
        turns = scaled.ask("turns", tenant=office["tenant"])
        assert max(register.by_word.values()) == 1
    print(f"{dict(statuses)}; exits {exits}; sockets closed with {watcher.codes}")  # noqa: T201
    assert exits == dict.fromkeys(("web-1", "web-2", "worker-1"), 0)
    assert set(statuses) <= {200, 202}, statuses
    assert LOST not in statuses
    assert {turn["status"] for turn in turns} == {"done"}
    assert {turn["call"]["status"] for turn in turns if turn["call"]} == {"succeeded"}  # calls under way were finished, not abandoned
    assert LEAVING in watcher.codes
    assert watcher.received == list(range(1, seq + 1))


def in_flight(plant: Plant, node: Node, stop_it: Callable[[], int]) -> tuple[int, str, int]:
    """The answer to a message whose call is under way when the process is told to stop, and the exit status."""
    with counting_register(seconds=1.5) as register:
        office = plant.ask("office", register=register.url, timeout_ms=5000)
        with Caller([node.address], office["key"]) as caller:
            conversation = caller.start("register")
            body = {"content": {"type": "text", "text": "parcel"}, "client_message_id": "m-1"}
            answers: list[tuple[int, str]] = []

            def post() -> None:
                status, found = caller.post(f"/api/v1/conversations/{conversation}/messages", body)
                answers.append((status, found.get("response", {}).get("text", "")))

            asking = threading.Thread(target=post)
            asking.start()
            until(lambda: register.by_word, what="the call to begin")
            code = stop_it()
            asking.join(30)
            return *answers[0], code


def test_the_embedded_process_finishes_its_calls_before_it_ends(embedded: Plant) -> None:
    node = embedded.web()
    node.wait_until_ready()

    def stop_it() -> int:
        node.terminate()
        return node.wait(40)

    status, text, code = in_flight(embedded, node, stop_it)
    assert code == 0
    assert (status, text) in ((200, "It belongs to Ada."), (202, ""))
    office = embedded.ask("turns_of_all")
    assert [turn["status"] for turn in office] == ["done", "done"]
    assert office[1]["call"]["status"] == "succeeded"


def test_a_second_signal_ends_it_at_once(embedded: Plant) -> None:
    node = embedded.web(DRAIN_SECONDS="30")
    node.wait_until_ready()
    node.terminate()
    until(lambda: node.probe() == 503, seconds=20)
    node.terminate()
    assert node.wait(15) == 0


GRPC = pytest.mark.parametrize("command", [("rungrpc",), ("serve", "--no-migrate", "--grpc")], ids=lambda command: command[0])


def health_of(channel: grpc.Channel) -> str:
    try:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="mcp.v2.MCPEngine"), timeout=5)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
    except grpc.RpcError as fault:
        return str(fault.code().name)


@GRPC
def test_grpc_says_that_it_leaves_and_still_takes_calls(embedded: Plant, command: tuple[str, ...]) -> None:
    port = free_port()
    node = embedded.grpc(port, *command, DRAIN_SECONDS="30")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        until(lambda: health_of(channel) == "SERVING", seconds=60, what=f"gRPC to serve:\n{node.tail()}")
        node.terminate()
        until(lambda: health_of(channel) == "NOT_SERVING", seconds=20, what="gRPC to say that it leaves")
        with pytest.raises(grpc.RpcError) as refused:
            mcp_v2_pb2_grpc.MCPEngineStub(channel).GetConversationState(pb.GetStateRequest(conversation_id="x"), timeout=5)  # type: ignore[no-untyped-call]  # generated
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED  # an answer: the door is open
        node.terminate()
        assert node.wait(15) == 0


@GRPC
def test_grpc_answers_what_is_in_flight(embedded: Plant, command: tuple[str, ...]) -> None:
    port, answers = free_port(), list[pb.ProcessMessageResponse]()
    node = embedded.grpc(port, *command)
    with counting_register(seconds=1.5) as register, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        office = embedded.ask("office", register=register.url, timeout_ms=5000)
        until(lambda: health_of(channel) == "SERVING", seconds=60, what=f"gRPC to serve:\n{node.tail()}")
        said = pb.ProcessMessageRequest(
            conversation_id="mine", flow_id="register", client_message_id="m-1", content=pb.MessageContent(type="text", text="parcel")
        )
        credentials = (("authorization", f"Bearer {office['key']}"),)

        def say() -> None:
            answers.append(mcp_v2_pb2_grpc.MCPEngineStub(channel).ProcessMessage(said, metadata=credentials, timeout=20))  # type: ignore[no-untyped-call]  # generated

        asking = threading.Thread(target=say)
        asking.start()
        until(lambda: register.by_word, what="the call to begin")
        node.terminate()
        asking.join(30)
        assert node.wait(40) == 0
    assert [answer.turn.status for answer in answers] in (["done"], ["running"])
    assert [turn["status"] for turn in embedded.ask("turns_of_all")][-1] == "done"
