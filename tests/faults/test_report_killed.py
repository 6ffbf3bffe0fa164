"""Kill the worker in the midst of a report: it is finished after the restart, once."""

from tests.faults.plant import Plant, until

FINDINGS, FORMATS = 3_000, ["json", "pdf", "csv"]


def test_a_report_whose_worker_is_killed_is_finished_once(scaled: Plant) -> None:
    asked = scaled.ask("long_report", findings=FINDINGS, formats=FORMATS)

    def told() -> dict[str, object]:
        found: dict[str, object] = scaled.ask("report_told", report=asked["report"])
        return found

    worker = scaled.worker(concurrency=1, include="tests.faults.short_hearts")
    until(lambda: str(told()["phase"]).startswith("pdf: "), seconds=90, what="the PDF to be begun")
    worker.kill()
    assert told()["state"] == "rendering"
    scaled.worker("second", concurrency=1, include="tests.faults.short_hearts")
    until(lambda: told()["state"] in ("ready", "failed"), seconds=400, what="the report to be finished")
    until(lambda: told()["letters"] == [["ada@example.com", "sent"]], seconds=120, what="the letter")
    found = told()
    assert (found["state"], found["attempts"]) == ("ready", [2]), found
    assert sorted(found["files"]) == sorted(found["stored"]) == sorted(FORMATS)  # type: ignore[call-overload]
    letters = list((scaled.folder / "state" / "mail").glob("*"))
    assert len([one for one in letters if "ada@example.com" in one.read_text()]) == 1
