"""The forms of servers and virtual servers: a field for each thing, so that nobody has to know the JSON."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from django import forms

from mcp_platform.admin_base import ServiceForm, checkboxes, number_input, refused_fields, select, text_area, text_input
from mcp_platform.errors import PlatformError
from mcp_platform.orchestrator.models import RemoteServer, UpstreamTool, VirtualServer
from mcp_platform.orchestrator.services import Chosen

AUTHENTICATIONS: Final = [
    ("none", "Nothing: it is open"),
    ("bearer", "Bearer token"),
    ("header", "Secret in a header"),
    ("oauth2_client_credentials", "OAuth 2.0 client credentials"),
]
# field of the form -> member of `authentication`
AUTH: Final[Mapping[str, str]] = {
    "auth_secret": "secret",
    "auth_header": "header",
    "auth_token_url": "token_url",
    "auth_client_id": "client_id",
    "auth_scope": "scope",
    "auth_audience": "audience",
}
MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "none": (),
    "bearer": ("secret",),
    "header": ("header", "secret"),
    "oauth2_client_credentials": ("token_url", "client_id", "secret", "scope", "audience"),
}
WORDS: Final = ("domains", "capabilities", "allowed_tools", "denied_tools")


class Words(forms.CharField):
    """Words with commas or new lines between."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**{"required": False, "widget": text_input(spellcheck="false"), **more})

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        return [word.strip() for word in (value or "").replace("\n", ",").split(",") if word.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


class ServerForm(ServiceForm):
    """Of the credential's fields, those of the kind that is chosen are shown by platform/integrations.js."""

    domains = Words(help_text="What it knows about: products, metadata. Who asks for a domain is answered by the first server that has it.")
    capabilities = Words(help_text="What it is used for, such as list_resources")
    allowed_tools = Words(label="Allowed tools", help_text="Patterns such as get_*; empty allows all")
    denied_tools = Words(label="Denied tools", help_text="Patterns; what is denied stays denied when it is also allowed")
    auth_type = forms.ChoiceField(label="Shows itself by", choices=AUTHENTICATIONS, widget=select())
    auth_secret = forms.ChoiceField(
        label="Secret", required=False, widget=select(), help_text="By its name; they are kept under Operations › Secrets."
    )
    auth_header = forms.CharField(label="Header", required=False, widget=text_input(placeholder="X-Api-Key"))
    auth_token_url = forms.CharField(label="Token address", required=False, widget=text_input(placeholder="https://id.example.com/oauth/token"))
    auth_client_id = forms.CharField(label="Client id", required=False, widget=text_input())
    auth_scope = forms.CharField(label="Scope", required=False, widget=text_input())
    auth_audience = forms.CharField(label="Audience", required=False, widget=text_input())

    class Meta:
        model = RemoteServer
        fields = ("slug", "name", "description", "transport", "url", "priority", "timeout", "trust", "enabled")
        labels: ClassVar = {"slug": "Short name", "url": "Address", "timeout": "Timeout", "trust": "New tools"}
        widgets: ClassVar = {
            "url": text_input(placeholder="https://catalogue.example.com/mcp", spellcheck="false"),
            "priority": number_input(min=1, max=999),
            "timeout": number_input(min=1, max=300),
        }
        help_texts: ClassVar = {
            "slug": "The first part of its tools' names, and its key in YAML; it stays.",
            "url": "http(s)://…; for a program on this machine stdio: and its name, as the operator allows it",
            "timeout": "Seconds, 1 to 300, for connecting and for each request",
        }

    secrets: ClassVar[Sequence[str]] = ()  # set for each request

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        how = getattr(self.instance, "authentication", None) or {}
        kept = str(how.get("secret", ""))
        absent = [] if not kept or kept in self.secrets else [(kept, f"{kept} – is not there")]
        if "auth_secret" in self.fields:
            field: Any = self.fields["auth_secret"]
            field.choices = [("", "–"), *absent, *((name, name) for name in self.secrets)]
        started = {name: getattr(self.instance, name) for name in WORDS}
        for name, value in {"auth_type": how.get("type", "none"), **{f: how.get(m, "") for f, m in AUTH.items()}, **started}.items():
            self.initial.setdefault(name, value)

    def _post_clean(self) -> None:
        refusal, type(self).refusal = type(self).refusal, None
        super()._post_clean()
        for field, message in _places(refusal) if refusal is not None else ():
            self.add_error(field, message)

    def definition(self) -> dict[str, Any]:
        """What the service takes."""
        given = self.cleaned_data
        plain = ("name", "description", "transport", "url", "priority", "timeout", "trust", "enabled", *WORDS)
        return {**{name: given[name] for name in plain}, "authentication": _authentication(given)}


def _authentication(given: Mapping[str, Any]) -> dict[str, str]:
    kind = given["auth_type"]
    values = {member: given[field] for field, member in AUTH.items() if member in MEMBERS.get(kind, ()) and given[field]}
    return {"type": kind, **values} if kind != "none" else {}


def _places(refusal: PlatformError) -> list[tuple[str | None, str]]:
    """Each fault at the field of the form that its path speaks of."""
    faults = refusal.details.get("errors") or ()
    shown = refused_fields(refusal)
    return [(_field_at(str(fault.get("path", ""))), message) for fault, (_, message) in zip(faults, shown, strict=True)] if faults else shown


def _field_at(path: str) -> str:
    first, _, rest = path.removeprefix("$.").partition(".")
    by_member = {member: field for field, member in AUTH.items()}
    if first == "authentication":
        return by_member.get(rest, "auth_type")
    return first.split("[")[0]


class VirtualForm(ServiceForm):
    """`chosen` are ids of tools; `names` gives some of them other names, a line each: server/tool = name."""

    chosen = forms.MultipleChoiceField(label="Tools", required=False, widget=checkboxes(), help_text="Approved tools of servers that are switched on")
    names = forms.CharField(
        label="Other names",
        required=False,
        widget=text_area(rows=4, spellcheck="false", **{"class": "mcp-code"}),
        help_text="A line each: clock/get_current_time = what_time_is_it. Without one a tool is called server_tool.",
    )

    class Meta:
        model = VirtualServer
        fields = ("slug", "name", "description", "enabled", "at_main")
        labels: ClassVar = {"slug": "Short name"}
        widgets: ClassVar = {"description": text_area(rows=3)}
        help_texts: ClassVar = {
            "slug": "The end of its address, /mcp/v/…; it stays.",
            "at_main": "Its tools stand at /mcp, too, beside the platform's own.",
        }

    offered: ClassVar[Sequence[UpstreamTool]] = ()  # set for each request

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = [] if self.instance._state.adding else list(self.instance.tools.select_related("tool__server"))
        known = {str(tool.pk): tool for tool in [*self.offered, *(row.tool for row in rows)]}
        if "chosen" in self.fields:
            field: Any = self.fields["chosen"]
            field.choices = [(pk, f"{tool.server.slug} / {tool.name}") for pk, tool in known.items()]
        self._known = known
        self.initial.setdefault("chosen", [str(row.tool_id) for row in rows])
        self.initial.setdefault("names", "\n".join(f"{row.tool.server.slug}/{row.tool.name} = {row.name}" for row in rows if row.name))
        self._descriptions = {str(row.tool_id): row.description for row in rows}

    def clean_names(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in filter(str.strip, self.cleaned_data["names"].splitlines()):
            place, sign, name = line.partition("=")
            if not sign or not name.strip():
                raise forms.ValidationError(f"Not a line of the form server/tool = name: {line[:80]}")
            found[place.strip()] = name.strip()
        return found

    def clean(self) -> Any:
        given = super().clean() or self.cleaned_data
        places = {self._place(pk) for pk in given.get("chosen", ())}
        unknown = [place for place in given.get("names") or {} if place not in places]
        if unknown:
            self.add_error("names", f"Not chosen above: {', '.join(unknown[:5])}")
        return given

    def choices(self) -> list[Chosen]:
        """What the service takes."""
        names = self.cleaned_data["names"]
        found = []
        for pk in self.cleaned_data["chosen"]:
            tool = self._known[pk]
            name = names.get(self._place(pk), "")
            found.append(Chosen(server=tool.server.slug, tool=tool.name, name=name, description=self._descriptions.get(pk, "")))
        return found

    def _place(self, pk: str) -> str:
        tool = self._known.get(pk)
        return f"{tool.server.slug}/{tool.name}" if tool else ""

    def _post_clean(self) -> None:
        refusal, type(self).refusal = type(self).refusal, None
        super()._post_clean()
        for fault in (refusal.details.get("errors") or ({"path": "", "message": refusal.message},)) if refusal is not None else ():
            path = str(fault.get("path", "")).removeprefix("$.")
            self.add_error("chosen" if path.startswith("tools") else path, str(fault.get("message", "")))
