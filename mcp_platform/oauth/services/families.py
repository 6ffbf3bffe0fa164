"""Tokens and how they end. A family is a refresh token with all that came of it: they end together."""

import hashlib
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from mcp_platform import observability
from mcp_platform.oauth.models import AccessToken, Authorization, Client, Code, RefreshToken
from mcp_platform.tenancy import credentials
from mcp_platform.tenancy.services import audit

log = observability.logger(__name__)

KEPT_DAYS = 7  # of a refresh token that has ended: so long its use is known for a theft


def checksum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def new() -> uuid.UUID:
    return uuid.uuid4()


def note_issued(token: AccessToken, *, grant_type: str) -> None:
    """In the log, and on the authorization: tokens come by the hour, so the audit chain keeps who lets whom in, not each of them."""
    log.info("oauth_token_issued", tenant_id=str(token.tenant_id), client=token.application_id, grant=grant_type, scope=token.scope)
    if token.user_id is not None:
        rows = Authorization.objects.for_tenant(token.tenant_id).filter(client=token.application, user_id=token.user_id)
        rows.update(last_used_at=timezone.now())


def end_of_code(client: Client, code: str) -> None:
    """A code that is gone was brought again (OAuth 2.1, 4.1.3): what came of it ends, since one of the two has stolen it."""
    first = RefreshToken.objects.filter(application=client, code_checksum=checksum(code)).first()
    if first is not None:
        _end_family(first, "code")


def note_reuse(client: Client, refresh_token: str) -> None:
    """If it is one that was used up before, its family ends: say so where the tenant's owners look."""
    found = RefreshToken.objects.filter(application=client, token_checksum=checksum(refresh_token)).exclude(revoked=None).first()
    if found is not None:
        _end_family(found, "refresh_token")


def _end_family(member: RefreshToken, what: str) -> None:
    """Told once: who brings the same dead token again and again fills no audit chain."""
    with transaction.atomic():
        family = RefreshToken.objects.filter(token_family=member.token_family).order_by("pk").select_for_update()
        if all(one.revoked for one in family):
            return
        RefreshToken.revoke_family(member.token_family)
        changes = {"used_twice": what, "user": str(member.user_id), "client": member.application.client_id}
        audit(member.tenant, actor="system", action="oauth.tokens_end", target=member.application, changes=changes)
    credentials.forget_tenant(member.tenant_id)  # the rows of its access tokens may be gone already
    log.warning("oauth_reuse", tenant_id=str(member.tenant_id), client=member.application.client_id, what=what)


def revoke(client: Client, *, user_id: Any = None, tenant_id: Any = None) -> int:
    """End the tokens and codes of a client, of all people or of one, everywhere or in one tenant; how many refresh and access tokens.

    At once in this process, within 5 seconds in others.
    """
    mine = Q(application=client)
    mine &= Q(user_id=user_id) if user_id is not None else Q()
    mine &= Q(tenant_id=tenant_id) if tenant_id is not None else Q()
    with transaction.atomic():
        Code.objects.filter(mine).delete()
        ended = RefreshToken.objects.filter(mine, revoked=None).update(revoked=timezone.now())
        tokens = AccessToken.objects.filter(mine)
        live = list(tokens.values_list("pk", flat=True))
        tokens.delete()
    credentials.forget_tokens(live)
    return int(ended) + len(live)


def purge() -> int:
    """Erase codes and tokens that can do nothing any more; how many. Platform scope."""
    now = timezone.now()
    usable = timedelta(seconds=settings.OAUTH_REFRESH_TOKEN_SECONDS)
    dead: list[QuerySet[Any]] = [
        Code.objects.filter(expires__lt=now),
        RefreshToken.objects.filter(revoked__lt=now - timedelta(days=KEPT_DAYS)),
        RefreshToken.objects.filter(revoked=None, access_token__expires__lt=now - usable),
        AccessToken.objects.filter(expires__lt=now, refresh_token=None),
    ]
    return sum(rows.delete()[0] for rows in dead)
