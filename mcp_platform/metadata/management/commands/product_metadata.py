"""`manage.py product_metadata`: make a document, take one, look at one, write out what is live."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mcp_platform.errors import PlatformError
from mcp_platform.metadata import queries, services
from mcp_platform.metadata.core import document
from mcp_platform.metadata.core.difference import counted
from mcp_platform.metadata.core.sample import sample
from mcp_platform.rest import read_json
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import Tenant


class Command(BaseCommand):
    help = "Product metadata: generate a document to begin with, validate one, load one into a tenant, export what is live."

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = parser.add_subparsers(dest="deed", required=True)
        generate = kinds.add_parser("generate", help="write a sample document")
        generate.add_argument("file", nargs="?", default="-", help="- for standard output")
        generate.add_argument("--products", type=int, default=8)
        validate = kinds.add_parser("validate", help="say what is wrong with a document; the exit code is 1 when it is not valid")
        validate.add_argument("file")
        load = kinds.add_parser("load", help="take a document, all or nothing, and make it live")
        load.add_argument("file")
        load.add_argument("--tenant", required=True, help="slug")
        load.add_argument("--merge", action="store_true", help="lay it over what is there")
        load.add_argument("--draft", action="store_true", help="change only the draft")
        load.add_argument("--note", default="")
        export = kinds.add_parser("export", help="write what is live")
        export.add_argument("file", nargs="?", default="-", help="- for standard output")
        export.add_argument("--tenant", required=True, help="slug")
        export.add_argument("--draft", action="store_true", help="the rows as they are")

    def handle(self, *args: Any, **options: Any) -> None:
        with scope.platform_scope():
            getattr(self, options["deed"])(options)

    def generate(self, options: dict[str, Any]) -> None:
        if not 1 <= options["products"] <= document.MOST_PRODUCTS:
            raise CommandError(f"--products: 1 to {document.MOST_PRODUCTS}")
        self._write(options["file"], sample(options["products"]))

    def validate(self, options: dict[str, Any]) -> None:
        found, faults = document.read(_read(options["file"]))
        self._tell(faults)
        if found is None:
            raise CommandError(f"{options['file']} is not valid: {_number(faults, 'error')}.")
        self.stdout.write(f"{options['file']} is valid: {len(found.products)} products, {len(found.columns)} column mappings.")

    def load(self, options: dict[str, Any]) -> None:
        tenant = _tenant(options["tenant"])
        mode = "merge" if options["merge"] else "replace"
        try:
            done = services.import_document(
                tenant, document_=_read(options["file"]), mode=mode, go_live=not options["draft"], note=options["note"], by=None
            )
        except PlatformError as refused:
            faults = refused.details.get("errors", [])
            self._tell(faults)
            raise CommandError(f"{options['file']} is refused: {_number(faults, 'error')}.") from refused
        self._tell(done.warnings)
        count = counted(done.changes)
        self.stdout.write(f"{tenant.slug}: {count['added']} added, {count['changed']} changed, {count['removed']} removed.")
        if done.version is not None:
            self.stdout.write(f"Version {done.version.number} ({done.version.version}) is live.")
        else:
            self.stdout.write("Only the draft has changed." if options["draft"] else "The same is live already.")

    def export(self, options: dict[str, Any]) -> None:
        self._write(options["file"], queries.written(_tenant(options["tenant"]), of_draft=options["draft"]))

    def _tell(self, faults: list[dict[str, str]]) -> None:
        for one in faults:
            expected = f" Expected: {one['expected']}." if one.get("expected") else ""
            self.stderr.write(f"{one['severity']}  {one['path']}  {one['message']}{expected}")

    def _write(self, file: str, found: dict[str, Any]) -> None:
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
        if file == "-":
            self.stdout.write(text, ending="")
            return
        Path(file).write_text(text)
        self.stdout.write(f"{file}: {len(found['product_aliases'])} products, {len(found['column_mappings'])} column mappings.")


def _number(faults: list[dict[str, str]], severity: str) -> str:
    count = sum(one["severity"] == severity for one in faults)
    return f"{count} problem{'s' if count != 1 else ''}"


def _read(file: str) -> Any:
    """Strict JSON, of any length."""
    try:
        body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return read_json(body, most=len(body))
    except OSError as fault:
        raise CommandError(f"{file} cannot be read: {fault.strerror}.") from fault
    except PlatformError as fault:
        told = "; ".join(one["message"] for one in fault.details.get("errors", ()))
        raise CommandError(f"{file}: {told or fault.message}.") from fault


def _tenant(slug: str) -> Tenant:
    found = Tenant.objects.filter(slug=slug).first()
    if found is None:
        raise CommandError(f"There is no tenant {slug}.")
    return found
