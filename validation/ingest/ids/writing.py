"""An IDS file from specifications that came out of other IDS files. Plain XML."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from validation.ingest.ids import reading, terms

SCHEMA: Final = "http://standards.buildingsmart.org/IDS http://standards.buildingsmart.org/IDS/1.0/ids.xsd"


def write(specifications: Iterable[str], *, info: Mapping[str, str]) -> bytes:
    """specifications: the XML of one each, as `reading` has given it; nothing of it is lost. info: title and what else there is. The same input gives
    the same bytes."""
    from lxml import etree

    prefixes = {None: terms.IDS_NS, "xs": terms.XS_NS, "xsi": terms.XSI_NS}
    root = etree.Element(f"{{{terms.IDS_NS}}}ids", nsmap=prefixes)
    root.set(f"{{{terms.XSI_NS}}}schemaLocation", SCHEMA)
    header = etree.SubElement(root, f"{{{terms.IDS_NS}}}info")
    for name in reading.INFO:
        if info.get(name):
            etree.SubElement(header, f"{{{terms.IDS_NS}}}{name}").text = info[name]
    body = etree.SubElement(root, f"{{{terms.IDS_NS}}}specifications")
    for xml in specifications:
        body.append(_one(xml))
    etree.cleanup_namespaces(root, top_nsmap=prefixes, keep_ns_prefixes=["xs", "xsi"])
    etree.indent(root, "  ")
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _one(xml: str) -> Any:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_blank_text=True)
    return etree.fromstring(xml.encode(), parser)
