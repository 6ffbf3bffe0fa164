"""Promise 13: whatever is in a file, its reader ends with a clear word, soon, in little memory, and the service goes on."""

import json
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest

from tests.validation.models import LIMITS, SAMPLES, Read, demo_file, zipped
from tests.validation.test_ingest import minimal
from validation.ingest import child, integrity
from validation.ingest.child import ROOT, Limits

HEAD = b"ISO-10303-21;\nHEADER;\nFILE_DESCRIPTION((''),'2;1');\nFILE_NAME('','',(''),(''),'','','');\nFILE_SCHEMA(('IFC4'));\nENDSEC;\nDATA;\n"
TAIL = b"ENDSEC;\nEND-ISO-10303-21;\n"
SMALL, REAL, CHILDREN = 100, 24, 20  # mutations: of a model of one wall, of whole buildings, and of those that the service's own way reads
SEED = 20_261_121
CODES = {
    "NOT_A_MODEL", "SCHEMA_NOT_SUPPORTED", "PARSER_FAILED", "PARSER_CRASHED", "NOTHING_LOADED", "NO_PROJECT", "TOO_DEEP", "TOO_SLOW",
    "TOO_MUCH_MEMORY", "TEXT_TOO_LONG", "EMPTY",
}  # fmt: skip


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "EMPTY"),
        (b"\x00" * 5000, "NOT_A_MODEL"),
        (bytes(range(256)) * 400, "NOT_A_MODEL"),
        (b"solid cube\nfacet normal 0 0 1\n", "NOT_A_MODEL"),
        (b"ISO-10303-21;", "SCHEMA_NOT_SUPPORTED"),
        (HEAD.replace(b"'IFC4'", b"'AP214'") + TAIL, "SCHEMA_NOT_SUPPORTED"),
        (HEAD + TAIL, "NOTHING_LOADED"),
        (HEAD + b"#1=IFCWALL('2O2Fr$t4X7Zf8NOew3FLO0',$,$,$,$,$,$,$,$);\n" + TAIL, "NO_PROJECT"),
        (HEAD + b"#1=IFCPROJECT(" + b"(" * 300_000 + b")" * 300_000 + b");\n" + TAIL, "TOO_DEEP"),
        (HEAD + b"#1=IFCPROJECT('" + b"x" * 20_000_000 + b"',$,$,$,$,$,$,$,$);\n" + TAIL, "TEXT_TOO_LONG"),
        (HEAD + b"#1=" + b"IFCBOOLEANRESULT" * 100_000 + TAIL, "NOTHING_LOADED"),
    ],
    ids=["empty", "zeros", "garbage", "stl", "header only", "other schema", "no data", "no project", "300,000 deep", "huge text", "endless name"],
)
def test_each_ends_in_a_clear_word(content: bytes, problem: str, tmp_path: Path) -> None:
    read = Read(content, tmp_path)
    assert read.problem == problem
    assert read.ended.problem["detail"].endswith((".", ","))


def test_cut_anywhere_it_is_never_ready(tmp_path: Path) -> None:
    whole = demo_file()
    for part in (0.3, 0.6, 0.9, 0.999):
        read = Read(whole[: int(len(whole) * part)], tmp_path)
        assert read.state != "ready"
        assert read.state == "partial" or read.problem in CODES


def test_a_file_without_its_end_is_partial_even_when_every_statement_is_there(tmp_path: Path) -> None:
    read = Read(minimal("IFC4").replace(b"END-ISO-10303-21;\n", b""), tmp_path)
    assert (read.state, [one["code"] for one in read.ended.result["problems"]]) == ("partial", ["TRUNCATED"])


def test_lost_statements_are_counted(tmp_path: Path) -> None:
    read = Read(minimal("IFC4").replace(b"DATA;\n", b"DATA;\n#900=IFCNOSUCHTHING(1,2);\n"), tmp_path)
    assert read.state == "partial"
    assert read.integrity["statements"] == read.integrity["loaded"] + 1


def test_texts_and_comments_are_no_statements(tmp_path: Path) -> None:
    source = tmp_path / "model.ifc"
    source.write_bytes(HEAD + b"/* it's #7=IFCWALL(((( */ #1=IFCLABEL('a;#2=IFCWALL((''((');\n#2 = IFCX('/* not a comment');\n" + TAIL)
    seen = integrity.scan(source)
    assert (seen.statements, seen.depth, seen.trailer) == (2, 2, True)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_counting_does_not_depend_on_where_chunks_end(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "model.ifc"
    source.write_bytes(minimal("IFC4").replace(b"'Wall'", b"'it''s = a (wall'"))
    whole = integrity.scan(source)
    monkeypatch.setattr(integrity, "CHUNK", size)
    assert integrity.scan(source) == whole


def test_circles_of_relations_and_placements_end(tmp_path: Path) -> None:
    rows = minimal("IFC4")
    rows = rows.replace(
        b"#20=IFCLOCALPLACEMENT(#19,#11)", b"#20=IFCLOCALPLACEMENT(#19,#11);\n#70=IFCLOCALPLACEMENT(#71,#11);\n#71=IFCLOCALPLACEMENT(#70,#11)"
    )
    rows = rows.replace(b"$,$,#20,#30", b"$,$,#70,#30")
    rows = rows.replace(b"#40=", b"#72=IFCRELAGGREGATES('2O2Fr$t4X7Zf8NOew3FLO8',$,$,$,#21,(#22));\n#40=")
    rows = rows.replace(b"#41,#42,#43)", b"#41,#42,#43,#73)").replace(b"#44=", b"#73=IFCCOMPLEXPROPERTY('C',$,'u',(#73,#41));\n#44=")
    read = Read(rows, tmp_path)
    assert read.state == "ready"
    assert read.named("Wall").properties["Custom.C.C.Length"] == pytest.approx(0.6096)


# Loads the libraries once and forks for each file: the same code and limits as in life, without a second of imports for each.
FORKS = """
import json, os, sys
import ifcopenshell, numpy
from validation.ingest import integrity, task
import validation.ingest.ifc
for folder in json.loads(sys.stdin.read()):
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(f"{folder}/said", os.O_CREAT | os.O_WRONLY), 1)
        os.dup2(os.open(f"{folder}/words", os.O_CREAT | os.O_WRONLY), 2)
        given = {"source": f"{folder}/source", "out": f"{folder}/out", "kind": "ifc", "max_bytes": 1_000_000, "seconds": 20, "ratio": 60}
        sys.argv = ["task", "elements", json.dumps(given)]
        task.main()
    print(folder, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


def whole_buildings() -> list[bytes]:
    """The demo building, and the sample files where they are: the smaller two, since each is read many times."""
    samples = sorted(SAMPLES.glob("*.ifc"), key=lambda path: path.stat().st_size)[:2] if SAMPLES.is_dir() else []
    return [demo_file(), *(path.read_bytes() for path in samples)]


def test_mutations_each_end_in_a_clear_word(tmp_path: Path) -> None:
    """Every one in a process of its own. Some kill the parser; none of them does more than that."""
    dice = random.Random(SEED)
    small, buildings = minimal("IFC4"), whole_buildings()
    models = [mutated(small, dice) for _ in range(SMALL)] + [mutated(buildings[number % len(buildings)], dice) for number in range(REAL)]
    ends = ends_of(models, tmp_path)
    assert set(ends) <= CODES | {"ready", "partial"}
    assert len({end for end in ends[:SMALL] if end in CODES}) >= 2  # the mutations do harm
    assert ends[:SMALL].count("ready") < SMALL // 2
    assert "partial" in ends[SMALL:]  # a building that is hurt in one place is read but for that


@pytest.mark.timeout(600)  # twenty readers, one after the other
def test_mutations_of_a_building_end_so_in_the_service_too(tmp_path: Path) -> None:
    """Through the only starter of readers, with its own deadline: what comes back is a word with a sentence, or elements that can be read."""
    dice = random.Random(SEED + 1)
    buildings = [minimal("IFC4"), *whole_buildings()]
    states = set()
    for number in range(CHILDREN):
        read = Read(mutated(buildings[number % len(buildings)], dice), tmp_path)
        assert read.problem in CODES or read.state in ("ready", "partial")
        if read.problem:
            assert read.ended.problem["detail"].endswith((".", ","))
        else:
            assert read.elements or read.state == "partial"
        states.add(read.state)
    assert len(states) >= 2


def ends_of(models: list[bytes], tmp_path: Path) -> list[str]:
    folders = [tmp_path / str(number) for number in range(len(models))]
    for folder, content in zip(folders, models, strict=True):
        folder.mkdir()
        (folder / "source").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", FORKS], cwd=ROOT, input=json.dumps([str(one) for one in folders]), capture_output=True, text=True, timeout=110
    )
    codes = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    assert len(codes) == len(models), done.stderr
    return [end_of(folder, int(codes[str(folder)])) for folder in folders]


def end_of(folder: Path, code: int) -> str:
    """As the service would call it."""
    said = [json.loads(line) for line in (folder / "said").read_text().splitlines()]
    last: dict[str, object] = next((one for one in reversed(said) if "phase" not in one), {})
    ended = child._ended(code, last, True, (folder / "words").read_text(), 1.0)
    return str(ended.problem.get("code") or ended.result["state"])


def mutated(content: bytes, dice: random.Random) -> bytes:
    """Bytes turned over, pieces cut out, doubled or moved, references bent."""
    made = bytearray(content)
    for _ in range(dice.randint(1, 6)):
        at, size = dice.randrange(len(made)), dice.randint(1, 200)
        kind = dice.randrange(6)
        if kind == 0:
            made[at] = dice.randrange(256)
        elif kind == 1:
            del made[at : at + size]
        elif kind == 2:
            made[at:at] = made[at : at + size]
        elif kind == 3:
            made[at : at + 1] = dice.choice([b"'", b"(", b")", b";", b"#", b"$", b"*", b"=", b"\\X2\\", b"1e999"])
        elif kind == 4:
            made[at:at] = f"#{dice.randint(0, 90)}".encode()
        else:
            made[:] = made[: max(100, len(made) - size)]
    return bytes(made)


def test_a_zip_bomb_is_found_while_it_unpacks(tmp_path: Path) -> None:
    read = Read(zipped(HEAD + b" " * 50_000_000 + TAIL), tmp_path)
    assert read.problem == "ZIP_BOMB"
    assert read.ended.peak_bytes < 300_000_000


def test_an_archive_larger_than_a_model_may_be(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(2_500_000).hex().encode()
    assert Read(zipped(HEAD + noise), tmp_path, limits=Limits(max_bytes=2_000_000, seconds=30)).problem == "TOO_LARGE"


def test_names_in_an_archive_are_never_paths(tmp_path: Path) -> None:
    read = Read(zipped(demo_file(), name="../../../../../../tmp/escaped/model.ifc"), tmp_path)
    assert read.state == "ready"
    assert not Path("/tmp/escaped").exists()


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        link = zipfile.ZipInfo("model.ifc")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert Read(packed.getvalue(), tmp_path).problem == "ARCHIVE_UNSAFE"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (zipped(b"text", name="readme.txt"), "ARCHIVE_WITHOUT_MODEL"),
        (zipped(b"x", more={"other.ifc": b"y"}), "ARCHIVE_WITHOUT_MODEL"),
        (zipped(zipped(b"x")), "NOT_A_MODEL"),
        (b"PK\x03\x04" + b"\x00" * 100, "ARCHIVE_DAMAGED"),
        (zipped(demo_file())[:20_000], "ARCHIVE_DAMAGED"),
        (zipped(demo_file()).replace(b"IFC", b"XYZ", 3)[:-30], "ARCHIVE_DAMAGED"),
    ],
    ids=["no model", "two models", "zip in a zip", "only the magic", "cut", "without its directory"],
)
def test_archives_that_cannot_be_used(content: bytes, problem: str, tmp_path: Path) -> None:
    assert Read(content, tmp_path).problem == problem


@pytest.mark.parametrize(
    "content", [b"{" * 300_000, b'{"elements": ' + b"[" * 300_000, b'{"format": "mcp-building/1", "elements": [NaN]}', b"\xff\xfe{}"]
)
def test_hostile_json(content: bytes, tmp_path: Path) -> None:
    assert Read(content, tmp_path, kind="json").problem in ("NEUTRAL_INVALID", "PARSER_CRASHED")


def caged(code: str, cpu_seconds: int = 5) -> "subprocess.CompletedProcess[str]":
    lead = f"from validation.ingest import confinement; print(confinement.confine(size=1000, cpu_seconds={cpu_seconds}, most_output=1_000_000))\n"
    return subprocess.run([sys.executable, "-c", lead + code], cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="system calls are forbidden on Linux")
def test_a_reader_has_no_network_and_starts_no_programs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = caged(f"import socket; socket.create_connection(('127.0.0.1', {port}))")
    assert done.stdout.strip() == "True"
    assert "PermissionError" in done.stderr
    assert "PermissionError" in caged("import os; os.execv('/bin/true', ['true'])").stderr


def test_a_reader_has_little_memory() -> None:
    assert "MemoryError" in caged("x = bytearray(1_500_000_000)").stderr


def test_a_reader_writes_no_endless_files(tmp_path: Path) -> None:
    assert caged(f"open({str(tmp_path / 'endless')!r}, 'wb').write(b'x' * 2_000_000)").returncode != 0
    assert (tmp_path / "endless").stat().st_size <= 1_000_000


def test_processor_time_ends() -> None:
    assert caged("while True: pass", cpu_seconds=1).returncode == -signal.SIGXCPU  # never SIGKILL: that is what a lack of memory looks like


@pytest.mark.parametrize(
    ("signal_number", "problem"),
    [(signal.SIGKILL, "TOO_MUCH_MEMORY"), (signal.SIGXCPU, "TOO_SLOW"), (signal.SIGXFSZ, "TOO_LARGE"), (signal.SIGSEGV, "PARSER_CRASHED")],
)
def test_what_a_reader_has_died_of(signal_number: int, problem: str) -> None:
    assert child._ended(-signal_number, {}, True, "", 1.0).problem["code"] == problem


def test_a_reader_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    read = Read(demo_file(), tmp_path, limits=Limits(max_bytes=LIMITS.max_bytes, seconds=0))
    assert read.problem == "TOO_SLOW"


def test_who_cancels_ends_the_reader(tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def tell(done: int, total: int, phase: str) -> None:
        raise Enough

    source = tmp_path / "source"
    source.write_bytes(demo_file())
    with pytest.raises(Enough):
        child.run("elements", {"source": str(source), "out": str(tmp_path / "out"), "kind": "ifc"}, limits=LIMITS, tell=tell)
    assert not any("validation.ingest.task" in line for line in own_children())


@pytest.mark.skipif(sys.platform != "linux", reason="the reader asks Linux to end it with its parent")
def test_a_reader_ends_with_its_worker_however_that_dies(tmp_path: Path) -> None:
    """The file is a pipe into which nobody writes, so reading takes for ever."""
    source = tmp_path / "pipe"
    os.mkfifo(source)
    given = {"source": str(source), "out": str(tmp_path / "out"), "kind": "ifc"}
    code = f"from validation.ingest import child; child.run('elements', {given!r}, limits=child.Limits(max_bytes=1000, seconds=100))"
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    try:
        assert eventually(lambda: blocked_in_open(str(source)))
    finally:
        worker.kill()
        worker.wait()
    assert eventually(lambda: not readers(str(source)))


def readers(source: str) -> list[int]:
    """Processes that read this file for a worker."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace")
                if "validation.ingest.task" in words and source in words:
                    found.append(int(entry.name))
    return found


def blocked_in_open(source: str) -> bool:
    """A reader has put its limits on and waits for the pipe's other end."""
    return any("Seccomp:\t2" in Path(f"/proc/{pid}/status").read_text() for pid in readers(source))


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def own_children() -> list[str]:
    """Command lines of this process's children."""
    found = []
    for pid in Path("/proc/self/task").glob("*/children"):
        found += [Path(f"/proc/{one}/cmdline").read_text(errors="replace") for one in pid.read_text().split()]
    return found


def test_nothing_of_our_environment_reaches_the_reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET_KEY", "very secret")
    assert "SECRET_KEY" not in child._ENVIRONMENT
    assert Read(demo_file(), tmp_path).state == "ready"  # and it needs nothing of it
