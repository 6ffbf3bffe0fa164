"""Pages without an account: the check of a report, and files by a link."""

import hashlib
from typing import Any

from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from mcp_platform import bodies, rest
from mcp_platform.tenancy import throttling
from reports.errors import LinkExpired, ReportNotFound
from reports.services import handing_out, verifying


@csrf_exempt  # nothing is changed; and its check would parse the body before the throttle is asked
def verify(request: HttpRequest, token: str) -> HttpResponse:
    """Shows which report it is; with a file or its hash, whether that is genuine, altered or superseded."""
    try:
        if request.method == "POST":
            throttling.spend_visitor("verify", throttling.address_of(request))
            require_short(request)
        upload = request.FILES.get("file")
        digest = hash_of(upload) if upload is not None else str(request.POST.get("sha256", ""))
        found, misread = _verified(token, digest)
    except ReportNotFound:
        return render(request, "reports/verify.html", {"found": None}, status=404)
    except throttling.TooMany:
        return render(request, "reports/verify.html", {"found": None, "busy": True}, status=429)
    except rest.PayloadTooLarge:
        return render(request, "reports/verify.html", {"found": None}, status=413)
    return render(request, "reports/verify.html", {"found": found, "digest": digest, "misread": misread}, status=400 if misread else 200)


def _verified(token: str, digest: str) -> tuple[verifying.Verdict, bool]:
    """The verdict; or only which report it is, and that the text that was given is no SHA-256. Raises ReportNotFound."""
    try:
        return verifying.verify(token, digest), False
    except rest.SchemaError:
        return verifying.verify(token), True


def require_short(request: HttpRequest) -> None:
    """Before the body is read, where the server has not measured it. Raises PayloadTooLarge."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > bodies.VERIFIED:
        raise rest.PayloadTooLarge("The file is larger than a report may be.", limit_bytes=bodies.VERIFIED, size_bytes=int(length))


@require_GET
def link(request: HttpRequest, sealed: str) -> HttpResponse | FileResponse:
    """A file by a link that has not expired."""
    try:
        return sent(handing_out.opened(sealed))
    except LinkExpired as fault:
        return render(request, "reports/verify.html", {"found": None, "expired": fault.message}, status=403)


def sent(found: Any) -> FileResponse:
    answer = FileResponse(found.file.open("rb"), content_type=found.media_type, as_attachment=True, filename=found.file.name.rsplit("/", 1)[-1])
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cache-Control"] = "private, no-store"
    return answer


def hash_of(upload: Any) -> str:
    found = hashlib.sha256()
    for chunk in upload.chunks():
        found.update(chunk)
    return found.hexdigest()
