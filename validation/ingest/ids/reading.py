"""Read an IDS file: well-formed, harmless, and of the structure that the schema of IDS 1.0 prescribes. All faults, each with path and line.

The structure is checked here by our own tables and not by an XSD, because its messages have to be readable and to name the place.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from validation.ingest.ids import terms
from validation.ingest.ids.terms import Constraint, Document, Facet, Fault, Place, Restriction, Simple, Specification

MAX_BYTES: Final = 20 * 1024 * 1024
MAX_DEPTH: Final = 40
MAX_FAULTS: Final = 500
LIMITS: Final = ("minInclusive", "maxInclusive", "minExclusive", "maxExclusive", "length", "minLength", "maxLength")
INFO: Final = ("title", "copyright", "version", "description", "author", "date", "purpose", "milestone")
FACETS: Final = ("entity", "partOf", "classification", "attribute", "property", "material")

_AUTHOR = re.compile(r"[^@]+@[^.]+\..+")
_DATE = re.compile(r"-?\d{4,}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(Z|[+-]\d{2}:\d{2})?")
_DATA_TYPE = re.compile(r"[A-Z]+")
_CARDINALITIES: Final = {"partOf": ("required", "prohibited")}
_COUNT = re.compile(r"\s*\+?\d{1,9}\s*")


def read(content: bytes) -> tuple[Document, list[Fault]]:
    """The document as far as it can be read, and what is wrong with it."""
    root, fault = _parsed(content)
    if fault is not None:
        return Document(), [fault]
    reader = _Reader()
    return reader.document(root), reader.faults[:MAX_FAULTS]


def _parsed(content: bytes) -> tuple[Any, Fault | None]:
    import defusedxml.ElementTree as guarded  # noqa: N813  a module
    from defusedxml import DefusedXmlException
    from lxml import etree

    if len(content) > MAX_BYTES:
        return None, _unreadable("too_large", f"The file is larger than {MAX_BYTES // 1024 // 1024} MB.")
    try:
        depth = 0
        for event, _ in guarded.iterparse(_stream(content), events=("start", "end"), forbid_dtd=True):
            depth += 1 if event == "start" else -1
            if depth > MAX_DEPTH:
                return None, _unreadable("too_deep", f"The elements are nested more than {MAX_DEPTH} deep.")
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True)
        return etree.fromstring(content, parser), None
    except DefusedXmlException:
        return None, _unreadable("forbidden_xml", "A document type declaration or an entity is not allowed in an IDS file.")
    except (guarded.ParseError, etree.XMLSyntaxError, ValueError, LookupError) as problem:
        line = getattr(problem, "position", (getattr(problem, "lineno", 0) or 0, 0))[0]
        return None, _unreadable("not_xml", f"The file is not well-formed XML: {str(problem)[:200]}", line)


def _stream(content: bytes) -> Any:
    import io

    return io.BytesIO(content)


def _unreadable(code: str, message: str, line: int = 0) -> Fault:
    return Fault(place=Place(path="/", line=line), code=code, message=message)


class _Reader:
    """Walks the tree once; a part that cannot be read is left out and noted."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def note(self, place: Place, code: str, message: str) -> None:
        self.faults.append(Fault(place=place, code=code, message=message))

    def document(self, root: Any) -> Document:
        place = Place(path="/ids", line=root.sourceline or 0)
        if root.tag != f"{{{terms.IDS_NS}}}ids":
            self.note(place, "not_ids", f"The root element is not ids of the namespace {terms.IDS_NS}.")
            return Document()
        parts = self.sequence(root, place, (("info", 1, 1), ("specifications", 1, 1)))
        self.attributes(root, place, ())
        info = self.info(*parts["info"][0]) if parts["info"] else {}
        specifications: list[Specification] = []
        for element, at in parts["specifications"]:
            self.attributes(element, at, ())
            inner = self.sequence(element, at, (("specification", 1, None),))
            specifications += [self.specification(one, one_at) for one, one_at in inner["specification"]]
        return Document(info=info, specifications=tuple(specifications))

    def info(self, element: Any, place: Place) -> dict[str, str]:
        self.attributes(element, place, ())
        parts = self.sequence(element, place, tuple((name, 1 if name == "title" else 0, 1) for name in INFO))
        found = {name: self.text(*parts[name][0]) for name in INFO if parts[name]}
        if "author" in found and not _AUTHOR.fullmatch(found["author"]):
            self.note(parts["author"][0][1], "author", "The author is not an e-mail address.")
        if "date" in found and not _DATE.fullmatch(found["date"].strip()):
            self.note(parts["date"][0][1], "date", "The date is not of the form 2026-11-21.")
        return found

    def specification(self, element: Any, place: Place) -> Specification:
        from lxml import etree

        given = self.attributes(element, place, ("name", "ifcVersion", "identifier", "description", "instructions"))
        for name in ("name", "ifcVersion"):
            if name not in given:
                self.note(place, "missing_attribute", f"The attribute {name} is missing.")
        parts = self.sequence(element, place, (("applicability", 1, 1), ("requirements", 0, 1)))
        usage, applicability = self.applicability(*parts["applicability"][0]) if parts["applicability"] else ("optional", ())
        requirements = self.requirements(*parts["requirements"][0]) if parts["requirements"] else ()
        if parts["requirements"] and len(parts["requirements"][0][0]) == 0 and usage != "prohibited":
            self.note(parts["requirements"][0][1], "empty_requirements", "The requirements are empty; leave the element out or name one.")
        return Specification(
            name=given.get("name", ""),
            identifier=given.get("identifier", ""),
            description=given.get("description", ""),
            instructions=given.get("instructions", ""),
            versions=self.versions(given.get("ifcVersion", ""), place),
            usage=usage,  # type: ignore[arg-type]  # one of the three words
            applicability=applicability,
            requirements=requirements,
            has_requirements=bool(parts["requirements"]) and len(parts["requirements"][0][0]) > 0,
            place=place,
            xml=etree.tostring(element, encoding="unicode", with_tail=False),
        )

    def versions(self, text: str, place: Place) -> tuple[str, ...]:
        words = tuple(text.split())
        for word in words or ("",):
            if word not in terms.VERSIONS:
                self.note(place, "ifc_version", f"'{word}' is not one of the schemas {', '.join(terms.VERSIONS)}.")
        return tuple(word for word in words if word in terms.VERSIONS)

    def applicability(self, element: Any, place: Place) -> tuple[str, tuple[Facet, ...]]:
        given = self.attributes(element, place, ("minOccurs", "maxOccurs"))
        usage = _usage(given.get("minOccurs", "1"), given.get("maxOccurs", "1"))
        if usage is None:
            self.note(
                place,
                "occurrence",
                "minOccurs and maxOccurs have to be 1 and unbounded (required), 0 and unbounded (optional) or 0 and 0 (prohibited); "
                "each is 1 when it is left out.",
            )
        counts = tuple((name, 0, 1 if name == "entity" else None) for name in FACETS)
        parts = self.sequence(element, place, counts)
        facets = [self.facet(name, one, at, in_requirements=False) for name in FACETS for one, at in parts[name]]
        if len(element) == 0:
            self.note(place, "no_applicability", "At least one facet has to say what the specification is about.")
        return usage or "optional", tuple(facet for facet in facets if facet is not None)

    def requirements(self, element: Any, place: Place) -> tuple[Facet, ...]:
        self.attributes(element, place, ("description",))
        found = []
        for child, name, at in self.children(element, place):
            if name not in FACETS:
                self.note(at, "unexpected_element", f"There is no {name} in requirements; expected {', '.join(FACETS)}.")
                continue
            found.append(self.facet(name, child, at, in_requirements=True))
        return tuple(facet for facet in found if facet is not None)

    def facet(self, name: str, element: Any, place: Place, *, in_requirements: bool) -> Facet | None:
        """None when a part that it cannot do without is missing; that is noted."""
        allowed = _ATTRIBUTES[name] + (("instructions",) if in_requirements else ())
        if in_requirements and name != "entity":
            allowed += ("cardinality",)
        given = self.attributes(element, place, allowed)
        cardinality = given.get("cardinality", "required")
        if cardinality not in _CARDINALITIES.get(name, ("required", "optional", "prohibited")):
            self.note(place, "cardinality", f"'{cardinality}' is not a cardinality of {name}.")
            cardinality = "required"
        try:
            return _MAKERS[name](self, element, place, given, {"cardinality": cardinality, "instructions": given.get("instructions", "")})
        except _Incomplete:
            return None

    def constraint(self, element: Any, place: Place) -> Constraint | None:
        """simpleValue or xs:restriction."""
        self.attributes(element, place, ())
        children = list(self.children(element, place))
        if len(children) != 1:
            self.note(place, "value", "Exactly one of simpleValue and xs:restriction has to stand here.")
            return None
        child, name, at = children[0]
        if child.tag == f"{{{terms.IDS_NS}}}simpleValue":
            self.attributes(child, at, ())
            return Simple(text=self.text(child, at), place=at)
        if child.tag == f"{{{terms.XS_NS}}}restriction":
            return self.restriction(child, at)
        self.note(at, "unexpected_element", f"There is no {name} here; expected simpleValue or xs:restriction.")
        return None

    def restriction(self, element: Any, place: Place) -> Restriction:
        given = self.attributes(element, place, ("base", "id"))
        enumeration: list[str] = []
        patterns: list[str] = []
        limits: list[tuple[str, str]] = []
        for child, name, at in self.children(element, place):
            kind = name if child.tag == f"{{{terms.XS_NS}}}{name}" else ""
            if kind == "annotation":
                continue
            value = self.attributes(child, at, ("value", "fixed", "id")).get("value")
            if kind not in ("enumeration", "pattern", *LIMITS):
                self.note(at, "unsupported_restriction", f"IDS does not know the restriction {name}.")
            elif value is None:
                self.note(at, "missing_attribute", f"{name} has no value.")
            elif kind == "enumeration":
                enumeration.append(value)
            elif kind == "pattern":
                patterns.append(value)
            else:
                limits.append((kind, value))
        if not (enumeration or patterns or limits):
            self.note(place, "empty_restriction", "The restriction does not restrict anything.")
        base = _prefixed(given.get("base", ""), element)
        return Restriction(base=base, enumeration=tuple(enumeration), patterns=tuple(patterns), limits=tuple(limits), place=place)

    def children(self, element: Any, place: Place) -> list[tuple[Any, str, Place]]:
        """Every child with its local name and place; text between them is noted."""
        if (element.text or "").strip() or any((child.tail or "").strip() for child in element):
            self.note(place, "stray_text", "There is text between the elements.")
        seen: dict[str, int] = {}
        found = []
        for child in element:
            name = str(child.tag).rpartition("}")[2]
            seen[name] = seen.get(name, 0) + 1
            found.append((child, name, Place(path=f"{place.path}/{name}[{seen[name]}]", line=child.sourceline or 0)))
        return found

    def sequence(self, element: Any, place: Place, expected: tuple[tuple[str, int, int | None], ...]) -> dict[str, list[tuple[Any, Place]]]:
        """The children by name. Their order and number have to be those of `expected` (name, least, most)."""
        order = {name: index for index, (name, _, _) in enumerate(expected)}
        found: dict[str, list[tuple[Any, Place]]] = {name: [] for name in order}
        last = 0
        for child, name, at in self.children(element, place):
            if child.tag != f"{{{terms.IDS_NS}}}{name}" or name not in order:
                self.note(at, "unexpected_element", f"There is no {name} here; expected {', '.join(order)}.")
                continue
            if order[name] < last:
                self.note(at, "wrong_order", f"{name} stands too late; the order is {', '.join(order)}.")
            last = max(last, order[name])
            found[name].append((child, at))
        for name, least, most in expected:
            if len(found[name]) < least:
                self.note(place, "missing_element", f"The element {name} is missing.")
            if most is not None and len(found[name]) > most:
                self.note(found[name][most][1], "too_many", f"{name} may stand here {most} time{'s' if most > 1 else ''} only.")
        return found

    def attributes(self, element: Any, place: Place, allowed: tuple[str, ...]) -> dict[str, str]:
        found = {}
        for name, value in element.attrib.items():
            if name.startswith((f"{{{terms.XSI_NS}}}", "{http://www.w3.org/XML/1998/namespace}")):
                continue
            if name not in allowed:
                self.note(place, "unexpected_attribute", f"There is no attribute {name} here.")
                continue
            found[str(name)] = str(value)
        return found

    def text(self, element: Any, place: Place) -> str:
        if len(element):
            self.note(place, "unexpected_element", "Only text may stand here.")
        return element.text or ""

    def part(self, found: dict[str, list[tuple[Any, Place]]], name: str) -> Constraint | None:
        return self.constraint(*found[name][0]) if found[name] else None

    def needed(self, found: dict[str, list[tuple[Any, Place]]], name: str) -> Constraint:
        value = self.part(found, name)
        if value is None:
            raise _Incomplete
        return value


class _Incomplete(Exception):
    """A facet lacks a part that it cannot do without."""


def _usage(least: str, most: str) -> str | None:
    if not _COUNT.fullmatch(least) or not (most.strip() == "unbounded" or _COUNT.fullmatch(most)):
        return None
    pair = (int(least), most.strip() if most.strip() == "unbounded" else str(int(most)))
    return {(1, "unbounded"): "required", (0, "unbounded"): "optional", (0, "0"): "prohibited"}.get(pair)


def _prefixed(base: str, element: Any) -> str:
    """A type name as xs:…, whatever prefix the author has bound to XML Schema."""
    prefix, _, local = base.strip().rpartition(":")
    return f"xs:{local}" if local and element.nsmap.get(prefix or None) == terms.XS_NS else base.strip()


def _entity(reader: _Reader, element: Any, place: Place, _given: dict[str, str], common: dict[str, Any]) -> Facet:
    found = reader.sequence(element, place, (("name", 1, 1), ("predefinedType", 0, 1)))
    return terms.EntityFacet(name=reader.needed(found, "name"), predefined_type=reader.part(found, "predefinedType"), place=place, **common)


def _attribute(reader: _Reader, element: Any, place: Place, _given: dict[str, str], common: dict[str, Any]) -> Facet:
    found = reader.sequence(element, place, (("name", 1, 1), ("value", 0, 1)))
    return terms.AttributeFacet(name=reader.needed(found, "name"), value=reader.part(found, "value"), place=place, **common)


def _classification(reader: _Reader, element: Any, place: Place, _given: dict[str, str], common: dict[str, Any]) -> Facet:
    found = reader.sequence(element, place, (("value", 0, 1), ("system", 1, 1)))
    return terms.ClassificationFacet(system=reader.needed(found, "system"), value=reader.part(found, "value"), place=place, **common)


def _property(reader: _Reader, element: Any, place: Place, given: dict[str, str], common: dict[str, Any]) -> Facet:
    found = reader.sequence(element, place, (("propertySet", 1, 1), ("baseName", 1, 1), ("value", 0, 1)))
    data_type = given.get("dataType", "")
    if "dataType" in given and not _DATA_TYPE.fullmatch(data_type):
        reader.note(place, "data_type", f"The data type '{data_type}' is not written in capital letters.")
    return terms.PropertyFacet(
        property_set=reader.needed(found, "propertySet"),
        base_name=reader.needed(found, "baseName"),
        value=reader.part(found, "value"),
        data_type=data_type,
        place=place,
        **common,
    )


def _material(reader: _Reader, element: Any, place: Place, _given: dict[str, str], common: dict[str, Any]) -> Facet:
    found = reader.sequence(element, place, (("value", 0, 1),))
    return terms.MaterialFacet(value=reader.part(found, "value"), place=place, **common)


def _part_of(reader: _Reader, element: Any, place: Place, given: dict[str, str], common: dict[str, Any]) -> Facet:
    found = reader.sequence(element, place, (("entity", 1, 1),))
    relation = given.get("relation", "")
    if "relation" in given and relation not in terms.RELATIONS:
        reader.note(place, "relation", f"'{relation}' is not one of the relations {'; '.join(terms.RELATIONS)}.")
    if not found["entity"]:
        raise _Incomplete
    child, at = found["entity"][0]
    reader.attributes(child, at, ())
    entity = _entity(reader, child, at, {}, {})
    assert isinstance(entity, terms.EntityFacet)
    return terms.PartOfFacet(entity=entity, relation=relation if relation in terms.RELATIONS else "", place=place, **common)


_ATTRIBUTES: Final[dict[str, tuple[str, ...]]] = {
    "entity": (),
    "partOf": ("relation",),
    "classification": ("uri",),
    "attribute": (),
    "property": ("dataType", "uri"),
    "material": ("uri",),
}
_MAKERS: Final[dict[str, Callable[..., Facet]]] = {
    "entity": _entity,
    "partOf": _part_of,
    "classification": _classification,
    "attribute": _attribute,
    "property": _property,
    "material": _material,
}
