"""Form fields that people like better than JSON."""

from typing import Any

from django import forms

from mcp_platform.admin_base import text_area


class LinesField(forms.CharField):
    """A list of texts, one on each line. Empty lines and repetitions are left out."""

    def __init__(self, **more: Any) -> None:
        super().__init__(required=False, widget=text_area(rows=4, spellcheck="false"), **more)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        return list(dict.fromkeys(line.strip() for line in (value or "").splitlines() if line.strip()))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or []) != self.to_python(data))
