"""Watch an IFC file, stream its changes, print findings as they appear and vanish; or change one thing and see what it does."""

import argparse
import os
import time
from pathlib import Path
from typing import Any

from clients.cad_plugin import ifc
from clients.cad_plugin.client import News, Plugin, Refused

SIGNS = {"critical": "!!", "major": "! ", "minor": ". ", "info": "i "}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m clients.cad_plugin", description=__doc__)
    parser.add_argument("building", help="id of the building")
    parser.add_argument("--url", default="http://127.0.0.1:8002")
    parser.add_argument("--key", required=True, help="API key with validation:read and validation:write")
    parser.add_argument("--watch", metavar="FILE.ifc", help="send what changes in this file; the building's model should have been made of it")
    parser.add_argument("--send-all", action="store_true", help="with --watch: send the whole file first")
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="how often to look at the file")
    parser.add_argument("--door-width", nargs=2, metavar=("GLOBAL_ID", "METRES"), help="make a door so wide, in the live model")
    parser.add_argument("--set", nargs=3, action="append", default=[], metavar=("GLOBAL_ID", "FIELD", "VALUE"), help="set any field")
    parser.add_argument("--delete", action="append", default=[], metavar="GLOBAL_ID")
    parser.add_argument("--quiet", type=float, default=3.0, metavar="SECONDS", help="without --watch: end after so long without news")
    options = parser.parse_args()
    try:
        with Plugin(options.url, options.key, options.building) as plugin:
            plugin.wait()
            begin(plugin)
            send(plugin, edits(options))
            watch(plugin, options) if options.watch else tell(plugin, options.quiet)
    except Refused as refused:
        raise SystemExit(f"{refused}\n{refused.problem.get('errors', '')}".rstrip()) from None
    except KeyboardInterrupt:
        raise SystemExit(0) from None


def begin(plugin: Plugin) -> None:
    for news in plugin.news(quiet=0.1):
        score = "–" if news.score is None else f"{news.score:.1f}"
        print(f"{len(plugin.findings)} findings, score {score}")


def edits(options: argparse.Namespace) -> list[dict[str, Any]]:
    ops: list[dict[str, Any]] = [{"op": "upsert", "global_id": mark, "set": {field: _value(text)}} for mark, field, text in options.set]
    if options.door_width:
        mark, metres = options.door_width
        ops.append({"op": "upsert", "global_id": mark, "set": {"properties.Attributes.OverallWidth": float(metres)}})
    return ops + [{"op": "delete", "global_id": mark} for mark in options.delete]


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def send(plugin: Plugin, ops: list[dict[str, Any]]) -> None:
    for batch in plugin.batches(ops):
        ack = plugin.send(batch)
        print(f"{len(batch)} changes, the model is at {ack.seq}")
        for conflict in ack.conflicts:
            print(f"   conflict: {conflict['global_id']} {conflict['field']} was {conflict['base']}, somebody had set {conflict['theirs']}")


def tell(plugin: Plugin, quiet: float) -> None:
    for news in plugin.news(quiet=quiet):
        show(news)


def show(news: News) -> None:
    for sign, findings in (("+", news.added), ("~", news.updated), ("-", news.resolved)):
        for one in findings:
            where = one["subject_name"] or one["subject"]
            print(f"{sign} {SIGNS.get(one['severity'], '  ')} {one['rule']}  {where}: {one['message']}")
    if news.score is not None:
        print(f"  score {news.score:.1f} at {news.at_seq}" + (f", still checking {len(news.rechecking)} rules" if news.rechecking else ""))


def watch(plugin: Plugin, options: argparse.Namespace) -> None:
    """Look at the file's time and size; a file that is being written is read at the next look."""
    seen, model = _stamp(options.watch), ifc.read(options.watch)
    if options.send_all:
        send(plugin, ifc.difference({}, model))
    print(f"watching {options.watch}: {len(model)} elements (Ctrl-C ends)")
    while True:
        tell(plugin, options.every)
        if plugin.failure is not None:
            raise plugin.failure
        now = _stamp(options.watch)
        if now == seen:
            continue
        try:
            after = ifc.read(options.watch)
        except (OSError, RuntimeError):
            time.sleep(options.every)
            continue
        seen = now
        send(plugin, ifc.difference(model, after))
        model = after


def _stamp(path: str) -> tuple[int, int]:
    found = Path(path)
    return (os.stat(found).st_mtime_ns, os.stat(found).st_size) if found.exists() else (0, 0)


if __name__ == "__main__":
    main()
