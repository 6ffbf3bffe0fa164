"""`manage.py ids check --ids F --ifc F` prints pass, fail or invalid and exits 0, 1 or 2. `--pairs FILE`: tab-separated paths, one verdict a line."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from validation.services import ids
from validation.services.ids import Checked

EXIT: Final = {"pass": 0, "fail": 1, "invalid": 2}


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        check = parser.add_subparsers(dest="what", required=True).add_parser("check", help="Check a model against an IDS file")
        check.add_argument("--ids", help="an IDS file")
        check.add_argument("--ifc", help="a model: .ifc or .ifczip")
        check.add_argument("--pairs", help="a file of lines <IDS file><tab><model>; - for the standard input")
        check.add_argument("--report", choices=("text", "json"), help="tell what was found on the standard error")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["pairs"]:
            self._pairs(options)
            return
        if not (options["ids"] and options["ifc"]):
            raise CommandError("Name --ids and --ifc, or --pairs.")
        found = next(ids.check_pairs([(options["ids"], options["ifc"])]))
        self._tell(found, options["report"] or "text")
        self.stdout.write(found.verdict)
        raise SystemExit(EXIT[found.verdict])

    def _pairs(self, options: dict[str, Any]) -> None:
        """Always exit 0: every pair has been answered."""
        text = self._text(options["pairs"])
        pairs = [line.rstrip("\r").split("\t") for line in text.split("\n") if line.strip()]
        whole = [(pair[0], pair[1]) if len(pair) == 2 else ("", "") for pair in pairs]
        for found in ids.check_pairs(whole):
            self.stdout.write(found.verdict)
            self.stdout.flush()
            if options["report"]:
                self._tell(found, options["report"])

    def _text(self, name: str) -> str:
        import sys

        if name == "-":
            return sys.stdin.read()
        try:
            return Path(name).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as problem:
            raise CommandError(f"{name} cannot be read: {problem}") from problem

    def _tell(self, found: Checked, report: str) -> None:
        if report == "json":
            shown = {"verdict": found.verdict, "problem": found.problem, "faults": found.faults, "specifications": found.specifications}
            self.stderr.write(json.dumps(shown, ensure_ascii=False))
            return
        for line in _lines(found):
            self.stderr.write(line)


def _lines(found: Checked) -> list[str]:
    lines = [found.problem] if found.problem else []
    lines += [f"{fault['severity']} line {fault['line']} {fault['path']}: {fault['message']}" for fault in found.faults]
    for one in found.specifications:
        lines.append(f"{one['status']} {one['name']}: {one['passed']} of {one['applicable']} objects pass. {one['problem']}".rstrip())
        lines += [f"  {each['global_id']} {each['ifc_class']} {each['name']}: {' '.join(each['messages'])}" for each in one["failures"][:20]]
    return lines
