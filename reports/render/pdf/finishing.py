"""What ReportLab does not write: the tags, the language, the metadata, the attached data, encryption. By pikepdf, with the same bytes each time."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from reports.core.packed import Deflated, deflated
from reports.render.pdf import fonts
from reports.render.pdf.tags import Node, Structure

Json = Any


def finish(
    pdf: bytes,
    structure: Structure,
    document: Mapping[str, Json],
    *,
    attachments: Sequence[tuple[str, str, bytes | Deflated]] = (),
    password: str = "",
) -> bytes:
    """The finished file. "Designed for PDF/UA": tagged and described; no validator is asked, so nothing more is claimed."""
    import pikepdf

    with pikepdf.open(io.BytesIO(pdf)) as file:
        _tag(file, structure)
        file.Root.Lang = pikepdf.String(document["locale"])
        file.Root.ViewerPreferences = pikepdf.Dictionary(DisplayDocTitle=True)
        file.Root.PageMode = pikepdf.Name.UseOutlines
        with file.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as about:
            about["dc:title"] = fonts.clean(document["title"])
            about["dc:identifier"] = document["number"]
            about["dc:language"] = [document["locale"]]
            about["xmp:CreatorTool"] = "MCP Platform"
            about["pdf:Producer"] = "MCP Platform"
        for name, media_type, content in attachments:
            _attach(file, name, media_type, content)
        found = io.BytesIO()
        if password:
            file.save(found, encryption=pikepdf.Encryption(owner=password, user=password, R=6, aes=True))
        else:
            file.save(found, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate, compress_streams=True)
        return found.getvalue()


FIXED = "D:20000101000000Z"  # of the attachments: their own time is in the document


def _attach(file: Any, name: str, media_type: str, content: bytes | Deflated) -> None:
    """Compressed before pikepdf gets it, which would keep the whole of it otherwise. Source: ISO 32000-2, 7.11.4."""
    import pikepdf

    packed = content if isinstance(content, Deflated) else deflated((content,))
    params = pikepdf.Dictionary(Size=packed.size, CreationDate=pikepdf.String(FIXED), ModDate=pikepdf.String(FIXED))
    stream = pikepdf.Stream(
        file,
        packed.content,
        Filter=pikepdf.Name.FlateDecode,
        Type=pikepdf.Name.EmbeddedFile,
        Subtype=pikepdf.Name(f"/{media_type}"),
        Params=params,
    )
    spec = pikepdf.AttachedFileSpec(file, b"", description="", filename=name, mime_type=media_type, creation_date=FIXED, mod_date=FIXED)
    spec.obj.EF = pikepdf.Dictionary(F=stream, UF=stream)
    spec.obj.AFRelationship = pikepdf.Name.Data
    file.attachments[name] = spec


def _tag(file: Any, structure: Structure) -> None:
    import pikepdf

    root = file.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.StructTreeRoot))
    pages = list(file.pages)
    owners: list[dict[int, Any]] = [{} for _ in pages]
    root.K = _element(file, structure.root, root, pages, owners)
    numbers = pikepdf.Array()
    for place, page in enumerate(pages):
        if owners[place]:
            page.obj.StructParents = place
            page.obj.Tabs = pikepdf.Name.S
            numbers.append(place)
            numbers.append(file.make_indirect(pikepdf.Array([owners[place][mark] for mark in sorted(owners[place])])))
    root.ParentTree = file.make_indirect(pikepdf.Dictionary(Nums=numbers))
    root.ParentTreeNextKey = len(pages)
    file.Root.StructTreeRoot = root
    file.Root.MarkInfo = pikepdf.Dictionary(Marked=True)


def _element(file: Any, node: Node, parent: Any, pages: Sequence[Any], owners: list[dict[int, Any]]) -> Any:
    import pikepdf

    made = file.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.StructElem, S=pikepdf.Name(f"/{node.kind}"), P=parent))
    if node.alt:
        made.Alt = pikepdf.String(node.alt)
    if node.scope:
        made.A = pikepdf.Dictionary(O=pikepdf.Name.Table, Scope=pikepdf.Name(f"/{node.scope}"))
    kids: list[Any] = []
    for page, mark in node.marks:
        owners[page - 1][mark] = made
        if len(node.marks) == 1:
            made.Pg = pages[page - 1].obj
            kids.append(mark)
        else:
            kids.append(pikepdf.Dictionary(Type=pikepdf.Name.MCR, Pg=pages[page - 1].obj, MCID=mark))
    kids += [_element(file, child, made, pages, owners) for child in node.children]
    node.children = []  # let go of on the way: a long report has a hundred thousand
    if kids:
        made.K = kids[0] if len(kids) == 1 else pikepdf.Array(kids)
    return made
