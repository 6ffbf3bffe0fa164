"""`manage.py demo_building --out FILE`: write the demo building, an IFC4 model with deliberate violations."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from validation.ingest import demo


class Command(BaseCommand):
    help = "Write a small office building as IFC4, with deliberate violations; the same arguments give the same bytes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--out", default="demo_building.ifc", help="File to write")
        parser.add_argument("--seed", type=int, default=1, help="Another seed, another building")
        parser.add_argument("--without", nargs="*", default=[], metavar="KEY", help="Violations that are corrected in this variant")
        parser.add_argument("--list", action="store_true", help="Print what is wrong with it instead")

    def handle(self, *args: Any, **options: Any) -> None:
        unknown = set(options["without"]) - {one.key for one in demo.VIOLATIONS}
        if unknown:
            raise CommandError(f"There is no violation {', '.join(sorted(unknown))}; --list names them all.")
        if options["list"]:
            for one in demo.violations(options["seed"], without=options["without"]):
                self.stdout.write(f"{one.violation.key}\t{one.violation.subject}\t{one.global_id}\t{one.violation.why}")
            return
        content = demo.write(seed=options["seed"], without=options["without"])
        Path(options["out"]).write_bytes(content)
        self.stdout.write(f"{options['out']}: {len(content):,} bytes")
