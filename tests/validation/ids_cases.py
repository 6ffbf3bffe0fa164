# ruff: noqa: E501  a table: one case a line
# fmt: off
"""IDS files and small models to check them against, written here line by line, with what the standard says of each pair.

`CASES` is a table of (name, IDS, model, verdict). A model is the DATA section of an IFC file.
"""

from dataclasses import dataclass
from itertools import count
from xml.sax.saxutils import escape, quoteattr

NS = 'xmlns="http://standards.buildingsmart.org/IDS" xmlns:xs="http://www.w3.org/2001/XMLSchema"'
REQUIRED, OPTIONAL, PROHIBITED = 'maxOccurs="unbounded"', 'minOccurs="0" maxOccurs="unbounded"', 'minOccurs="0" maxOccurs="0"'


@dataclass(frozen=True)
class Case:
    name: str
    ids: str
    model: str
    verdict: str
    schema: str = "IFC4"

    @property
    def step(self) -> str:
        return (
            "ISO-10303-21;\nHEADER;\nFILE_DESCRIPTION((''),'2;1');\nFILE_NAME('','2026-11-21T00:00:00',(''),(''),'','','');\n"
            f"FILE_SCHEMA(('{self.schema}'));\nENDSEC;\nDATA;\n{self.model}\nENDSEC;\nEND-ISO-10303-21;\n"
        )


def one_of(*values: str, base: str = "xs:string") -> str:
    return f'<xs:restriction base="{base}">' + "".join(f"<xs:enumeration value={quoteattr(value)}/>" for value in values) + "</xs:restriction>"


def like(*patterns: str) -> str:
    return '<xs:restriction base="xs:string">' + "".join(f"<xs:pattern value={quoteattr(one)}/>" for one in patterns) + "</xs:restriction>"


def limited(base: str = "xs:double", **limits: str) -> str:
    return f'<xs:restriction base="{base}">' + "".join(f'<xs:{name} value="{value}"/>' for name, value in limits.items()) + "</xs:restriction>"


def part(name: str, value: str | None) -> str:
    if value is None:
        return ""
    return f"<{name}>{value if value.startswith('<xs:') else f'<simpleValue>{escape(value)}</simpleValue>'}</{name}>"


def entity(name: str, predefined: str | None = None) -> str:
    return f"<entity>{part('name', name)}{part('predefinedType', predefined)}</entity>"


def _cardinality(word: str) -> str:
    return f' cardinality="{word}"' if word else ""


def attribute(name: str, value: str | None = None, is_: str = "") -> str:
    return f"<attribute{_cardinality(is_)}>{part('name', name)}{part('value', value)}</attribute>"


def classification(system: str, value: str | None = None, is_: str = "") -> str:
    return f"<classification{_cardinality(is_)}>{part('value', value)}{part('system', system)}</classification>"


def prop(group: str, name: str, kind: str = "", value: str | None = None, is_: str = "") -> str:
    data_type = f' dataType="{kind}"' if kind else ""
    return f"<property{data_type}{_cardinality(is_)}>{part('propertySet', group)}{part('baseName', name)}{part('value', value)}</property>"


def material(value: str | None = None, is_: str = "") -> str:
    return f"<material{_cardinality(is_)}>{part('value', value)}</material>"


def part_of(name: str, relation: str = "", predefined: str | None = None, is_: str = "") -> str:
    by = f' relation="{relation}"' if relation else ""
    return f"<partOf{by}{_cardinality(is_)}>{entity(name, predefined)}</partOf>"


def ids(applies: str, *needs: str, versions: str = "IFC2X3 IFC4", usage: str = REQUIRED, more: str = "") -> str:
    needed = f"<requirements>{''.join(needs)}</requirements>" if needs else ""
    return (
        f"<ids {NS}><info><title>Case</title></info><specifications>"
        f'<specification name="Case" ifcVersion="{versions}"><applicability {usage}>{applies}</applicability>{needed}</specification>{more}'
        "</specifications></ids>"
    )


def guid(number: int) -> str:
    return f"{number:022d}"


_ids = count(1)


def root(number: int, kind: str, *rest: str) -> str:
    return f"#{number}={kind}('{guid(number)}',$,{','.join(rest)});"


WALL = root(1, "IFCWALL", "'Waldo'", "$", "$", "$", "$", "$", "$")
BARE_WALL = root(1, "IFCWALL", "$", "$", "$", "$", "$", "$", "$")
MILLIMETRES = (
    f"#90=IFCPROJECT('{guid(90)}',$,'P',$,$,$,$,$,#94);\n#91=IFCSIUNIT(*,.LENGTHUNIT.,.MILLI.,.METRE.);\n#92=IFCSIUNIT(*,.AREAUNIT.,.MILLI.,.SQUARE_METRE.);\n"
    "#93=IFCSIUNIT(*,.TIMEUNIT.,$,.SECOND.);\n#95=IFCSIUNIT(*,.MASSUNIT.,.KILO.,.GRAM.);\n#94=IFCUNITASSIGNMENT((#91,#92,#93,#95));"
)


def with_property(value: str, *, name: str = "Foo", group: str = "Foo_Bar", extra: str = "") -> str:
    """A wall with one property, in a model in millimetres."""
    return f"{MILLIMETRES}\n{BARE_WALL}\n#2=IFCPROPERTYSINGLEVALUE('{name}',$,{value},$);\n{in_set('#2', group=group)}\n{extra}"


def in_set(members: str, *, group: str = "Foo_Bar", at: int = 3, of: str = "#1") -> str:
    return f"#{at}=IFCPROPERTYSET('{guid(at)}',$,'{group}',$,({members}));\n#{at + 1}=IFCRELDEFINESBYPROPERTIES('{guid(at + 1)}',$,$,$,({of}),#{at});"


def with_other(line: str) -> str:
    return f"{MILLIMETRES}\n{BARE_WALL}\n#2={line};\n{in_set('#2')}"


def foo(kind: str = "", value: str | None = None, is_: str = "") -> str:
    return ids(entity("IFCWALL"), prop("Foo_Bar", "Foo", kind, value, is_))


def foo4(kind: str = "", value: str | None = None, is_: str = "") -> str:
    return ids(entity("IFCWALL"), prop("Foo_Bar", "Foo", kind, value, is_), versions="IFC4")


def wall(*needs: str, versions: str = "IFC2X3 IFC4", usage: str = REQUIRED) -> str:
    return ids(entity("IFCWALL"), *needs, versions=versions, usage=usage)


def refraction(index: str) -> str:
    return f"#1=IFCSURFACESTYLEREFRACTION({index},$);"


def about(kind: str, *needs: str, versions: str = "IFC2X3 IFC4") -> str:
    return ids(entity(kind), *needs, versions=versions)


ATTRIBUTES = [
    Case("a name is there", wall(attribute("Name")), WALL, "pass"),
    Case("a name is there and prohibited", wall(attribute("Name", is_="prohibited")), WALL, "fail"),
    Case("a null is not prohibited", wall(attribute("Name", is_="prohibited")), BARE_WALL, "pass"),
    Case("an empty text is prohibited too", wall(attribute("Name", is_="prohibited")), WALL.replace("'Waldo'", "''"), "fail"),
    Case("a prohibited value", wall(attribute("Name", "Waldo", is_="prohibited")), WALL, "fail"),
    Case("another than the prohibited value", wall(attribute("Name", "Wally", is_="prohibited")), WALL, "pass"),
    Case("an optional value that is right", wall(attribute("Name", "Waldo", is_="optional")), WALL, "pass"),
    Case("an optional value that is wrong", wall(attribute("Name", "Wally", is_="optional")), WALL, "fail"),
    Case("an optional value that is null", wall(attribute("Name", "Wally", is_="optional")), BARE_WALL, "pass"),
    Case("an optional value that is empty", wall(attribute("Name", "Wally", is_="optional")), WALL.replace("'Waldo'", "''"), "fail"),
    Case("attribute: optional without a value cannot fail", wall(attribute("Name", is_="optional")), WALL, "invalid"),
    Case("a null name", wall(attribute("Name")), BARE_WALL, "fail"),
    Case("an empty name", wall(attribute("Name")), WALL.replace("'Waldo'", "''"), "fail"),
    Case("text is compared case by case", wall(attribute("Name", "waldo")), WALL, "fail"),
    Case("attributes are not inherited", wall(attribute("Description")), WALL + "\n" + root(2, "IFCWALLTYPE", "$", "'Text'", *["$"] * 5, ".NOTDEFINED.") + "\n" + root(3, "IFCRELDEFINESBYTYPE", "$", "$", "(#1)", "#2"), "fail"),
    Case("an object is a value", about("IFCTASK", attribute("TaskTime"), versions="IFC4"), root(1, "IFCTASK", *["$"] * 7, ".F.", "$", "#2", "$") + "\n#2=IFCTASKTIME($,$,$,$,$,$,$,$,$,$,$,$,$,$,$,$,$,$,$,$);", "pass"),
    Case("an object has no value to compare", about("IFCTASK", attribute("TaskTime", "x"), versions="IFC4"), root(1, "IFCTASK", *["$"] * 7, ".F.", "$", "$", "$"), "invalid"),
    Case("a list has no value to compare", about("IFCCARTESIANPOINT", attribute("Coordinates", "1")), "#1=IFCCARTESIANPOINT((1.,2.));", "invalid"),
    Case("a select has no value to compare", about("IFCSURFACESTYLERENDERING", attribute("DiffuseColour", "x")), "#1=IFCCOLOURRGB($,0.,0.,0.);\n#2=IFCSURFACESTYLERENDERING(#1,$,#1,$,$,$,$,$,.FLAT.);", "invalid"),
    Case("a select is there", about("IFCSURFACESTYLERENDERING", attribute("DiffuseColour")), "#1=IFCCOLOURRGB($,0.,0.,0.);\n#2=IFCSURFACESTYLERENDERING(#1,$,IFCNORMALISEDRATIOMEASURE(0.5),$,$,$,$,$,.FLAT.);", "pass"),
    Case("false is a value", about("IFCTASK", attribute("IsMilestone")), root(1, "IFCTASK", *["$"] * 7, ".F.", "$", "$", "$"), "pass"),
    Case("false as it is written", about("IFCTASK", attribute("IsMilestone", "false")), root(1, "IFCTASK", *["$"] * 7, ".F.", "$", "$", "$"), "pass"),
    Case("false is not true", about("IFCTASK", attribute("IsMilestone", "true")), root(1, "IFCTASK", *["$"] * 7, ".F.", "$", "$", "$"), "fail"),
    Case("FALSE is not written as a boolean", about("IFCTASK", attribute("IsMilestone", "FALSE")), root(1, "IFCTASK", *["$"] * 7, ".F.", "$", "$", "$"), "invalid"),
    Case("unknown is no value", about("IFCPRESENTATIONLAYERWITHSTYLE", attribute("LayerOn")), "#1=IFCCARTESIANPOINT((0.,0.));\n#2=IFCPRESENTATIONLAYERWITHSTYLE('Foo',$,(#1),$,.U.,.F.,.F.,());", "fail"),
    Case("an empty set is no value", about("IFCPRESENTATIONLAYERWITHSTYLE", attribute("LayerStyles")), "#1=IFCCARTESIANPOINT((0.,0.));\n#2=IFCPRESENTATIONLAYERWITHSTYLE('Foo',$,(#1),$,.T.,.F.,.F.,());", "fail"),
    Case("zero is a value", about("IFCQUANTITYCOUNT", attribute("CountValue")), "#1=IFCQUANTITYCOUNT('Foo',$,$,0.,$);", "pass"),
    Case("a date is compared as text", about("IFCCLASSIFICATION", attribute("EditionDate", "2022-01-01"), versions="IFC4"), "#1=IFCCLASSIFICATION($,$,'2022-01-01+00:00','Name',$,$,$);", "fail"),
    Case("the same date", about("IFCCLASSIFICATION", attribute("EditionDate", "2022-01-01"), versions="IFC4"), "#1=IFCCLASSIFICATION($,$,'2022-01-01','Name',$,$,$);", "pass"),
    Case("derived attributes are none", about("IFCCARTESIANPOINT", attribute("Dim")), "#1=IFCCARTESIANPOINT((1.,2.));", "invalid"),
    Case("inverse attributes are none", about("IFCPERSON", attribute("EngagedIn")), "#1=IFCPERSON($,$,$,$,$,$,$,$);", "invalid"),
    Case("an attribute of another class", wall(attribute("ActingRole")), WALL, "invalid"),
    Case("no attribute of any class", wall(attribute("Farbe")), WALL, "invalid"),
    Case("an integer", about("IFCSTAIRFLIGHT", attribute("NumberOfRisers", "42"), versions="IFC4"), root(1, "IFCSTAIRFLIGHT", *["$"] * 6, "42", "$", "$", "$", "$"), "pass"),
    Case("an integer is not written with a point", about("IFCSTAIRFLIGHT", attribute("NumberOfRisers", "42.0"), versions="IFC4"), root(1, "IFCSTAIRFLIGHT", *["$"] * 6, "42", "$", "$", "$", "$"), "invalid"),
    Case("an attribute by a pattern", about("IFCSTAIRFLIGHT", attribute(like("NumberOfRisers?"), "42.3"), versions="IFC4"), root(1, "IFCSTAIRFLIGHT", *["$"] * 6, "42", "$", "$", "$", "$"), "invalid"),
    Case("any name that fits a pattern", about("IFCMATERIALLAYERSET", attribute(like(".*Name.*"))), "#1=IFCMATERIALLAYER($,1.,$,$,$,$,$);\n#2=IFCMATERIALLAYERSET((#1),'Foo',$);", "pass"),
    Case("one of two names", wall(attribute(one_of("Name", "Description"))), WALL, "pass"),
    Case("numbers are compared as numbers", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", "42")), refraction("42."), "pass"),
    Case("a number may end with a point", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", "42.")), refraction("42."), "pass"),
    Case("another number", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", "42")), refraction("42.3"), "fail"),
    Case("a decimal comma", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", "42,3")), refraction("42.3"), "invalid"),
    Case("thousands are not separated", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", "1,234.5")), refraction("1234.5"), "invalid"),
    Case("powers of ten", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", "1.2345E3")), refraction("1234.5"), "pass"),
    Case("numbers in an enumeration", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", one_of("42", "43", base="xs:double"))), refraction("42."), "pass"),
    Case("numbers in an enumeration of text", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", one_of("42", "43"))), refraction("42."), "invalid"),
    Case("patterns are not for numbers", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", like(".*"))), refraction("42."), "invalid"),
    Case("exactly that number", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", limited(minInclusive="42", maxInclusive="42"))), refraction("42."), "pass"),
    Case("signs of all alphabets", wall(attribute("Name", "♫Don'tÄrgerhôtelЊет")), WALL.replace("'Waldo'", r"'\X2\266B\X0\Don''t\X2\00C4\X0\rgerh\X2\00F4\X0\tel\X2\040A04350442\X0\'"), "pass"),
]

RESTRICTIONS = [
    Case("inside, limits included", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", limited(minInclusive="0", maxInclusive="10"))), refraction("10."), "pass"),
    Case("outside, limits included", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", limited(minInclusive="0", maxInclusive="10"))), refraction("10.0000001"), "fail"),
    Case("inside, limits excluded", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", limited(minExclusive="0", maxExclusive="10"))), refraction("5."), "pass"),
    Case("on the excluded limit", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", limited(minExclusive="0", maxExclusive="10"))), refraction("0."), "fail"),
    Case("a range that cannot be", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", limited(minInclusive="10", maxInclusive="5"))), refraction("7."), "invalid"),
    Case("one of the words", wall(attribute("Name", one_of("Waldo", "Wally"))), WALL, "pass"),
    Case("none of the words", wall(attribute("Name", one_of("waldo", "Wally"))), WALL, "fail"),
    Case("a pattern", wall(attribute("Name", like("[A-Z][a-z]{4}"))), WALL, "pass"),
    Case("a pattern is for the whole value", wall(attribute("Name", like("[A-Z][a-z]"))), WALL, "fail"),
    Case("anchors are ordinary signs", wall(attribute("Name", like("^Waldo$"))), WALL, "fail"),
    Case("patterns are alternatives", wall(attribute("Name", like("[0-9]+", "W.*"))), WALL, "pass"),
    Case("classes of XML Schema", wall(attribute("Name", like(r"\i\c*"))), WALL, "pass"),
    Case("a pattern that is none", wall(attribute("Name", like("[A-Z"))), WALL, "invalid"),
    Case("back references are none", wall(attribute("Name", like(r"(a)\1"))), WALL, "invalid"),
    Case("a length", wall(attribute("Name", limited("xs:string", length="5"))), WALL, "pass"),
    Case("too short", wall(attribute("Name", limited("xs:string", minLength="6", maxLength="8"))), WALL, "fail"),
    Case("a length of a number", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", limited(length="2"))), refraction("42."), "invalid"),
    Case("digits are not counted", about("IFCSURFACESTYLEREFRACTION", attribute("RefractionIndex", limited(totalDigits="2"))), refraction("42."), "invalid"),
    Case("a restriction of nothing", wall(attribute("Name", '<xs:restriction base="xs:string"/>')), WALL, "invalid"),
    Case("a type that is none", wall(attribute("Name", one_of("a", base="xs:txt"))), WALL, "invalid"),
]

_CLASSES = {
    "solid": BARE_WALL.replace("$);", ".SOLIDWALL.);"),
    "waldo": root(1, "IFCWALL", "$", "$", "'WALDO'", "$", "$", "$", ".USERDEFINED."),
}


def typed_wall(wall_rest: tuple[str, ...], type_rest: tuple[str, ...]) -> str:
    return "\n".join((root(1, "IFCWALL", *wall_rest), root(2, "IFCWALLTYPE", *type_rest), root(3, "IFCRELDEFINESBYTYPE", "$", "$", "(#1)", "#2")))


ENTITIES = [
    Case("the class", wall(entity("IFCWALL")), WALL, "pass"),
    Case("another class", about("IFCSLAB", entity("IFCWALL")), root(1, "IFCSLAB", *["$"] * 7), "invalid"),
    Case("no class", wall(entity("IFCRABBIT")), WALL, "invalid"),
    Case("a class not in capitals", wall(entity("IfcWall")), WALL, "invalid"),
    Case("an abstract class", ids(entity("IFCELEMENT"), attribute("Name")), WALL, "invalid"),
    Case("a class of a newer schema", ids(entity("IFCCHIMNEY"), attribute("Name"), versions="IFC2X3 IFC4"), WALL, "invalid"),
    Case("subclasses are other classes", about("IFCWALLSTANDARDCASE", entity("IFCWALL")), root(1, "IFCWALLSTANDARDCASE", *["$"] * 7), "invalid"),
    Case("the applicability is without subclasses", wall(attribute("Name")), root(1, "IFCWALLSTANDARDCASE", *["$"] * 7), "fail"),
    Case("one of several classes", about("IFCSLAB", entity(one_of("IFCWALL", "IFCSLAB"))), root(1, "IFCSLAB", *["$"] * 7), "pass"),
    Case("classes by a pattern", about("IFCWALLTYPE", entity(like("IFC.*TYPE"))), root(1, "IFCWALLTYPE", *["$"] * 7, ".NOTDEFINED."), "pass"),
    Case("a pattern that cannot be", about("IFCWALL", entity(like("IFC.*TYPE"))), WALL, "invalid"),
    Case("a predefined type", wall(entity("IFCWALL", "SOLIDWALL"), versions="IFC4"), _CLASSES["solid"], "pass"),
    Case("another predefined type", wall(entity("IFCWALL", "SHEAR"), versions="IFC4"), _CLASSES["solid"], "fail"),
    Case("a predefined type not in capitals", wall(entity("IFCWALL", "solidwall"), versions="IFC4"), _CLASSES["solid"], "fail"),
    Case("no predefined type", wall(entity("IFCWALL", "SOLIDWALL"), versions="IFC4"), BARE_WALL, "fail"),
    Case("walls of IFC2X3 have none", wall(entity("IFCWALL", "SOLIDWALL"), versions="IFC2X3"), BARE_WALL, "invalid"),
    Case("a user-defined type", wall(entity("IFCWALL", "WALDO"), versions="IFC4"), _CLASSES["waldo"], "pass"),
    Case("user-defined itself", wall(entity("IFCWALL", "USERDEFINED"), versions="IFC4"), _CLASSES["waldo"], "pass"),
    Case("a user-defined type, case by case", wall(entity("IFCWALL", "Waldo"), versions="IFC4"), _CLASSES["waldo"], "fail"),
    Case("user-defined types by a pattern", wall(entity("IFCWALL", like("WAL.*")), versions="IFC4"), _CLASSES["waldo"], "pass"),
    Case("the type of the type", about("IFCTASKTYPE", entity("IFCTASKTYPE", "TASKY"), versions="IFC4"), root(1, "IFCTASKTYPE", *["$"] * 6, "'TASKY'", ".USERDEFINED.", "$"), "pass"),
    Case("an inherited predefined type", wall(entity("IFCWALL", "X"), versions="IFC4"), typed_wall(("$",) * 7, ("$",) * 6 + ("'X'", ".USERDEFINED.")), "pass"),
    Case("the type decides", wall(entity("IFCWALL", "SHEAR"), versions="IFC4"), typed_wall(("$",) * 6 + (".SHEAR.",), ("$",) * 7 + (".PARAPET.",)), "fail"),
    Case("unless it does not say", wall(entity("IFCWALL", "SHEAR"), versions="IFC4"), typed_wall(("$",) * 6 + (".SHEAR.",), ("$",) * 7 + (".NOTDEFINED.",)), "pass"),
    Case("a fan in IFC2X3", ids(entity("IFCFAN"), attribute("Name"), versions="IFC2X3"), root(1, "IFCFLOWMOVINGDEVICE", "'F'", *["$"] * 5) + "\n" + root(2, "IFCFANTYPE", *["$"] * 7, ".NOTDEFINED.") + "\n" + root(3, "IFCRELDEFINESBYTYPE", "$", "$", "(#1)", "#2"), "pass", "IFC2X3"),
    Case("a pump is no fan in IFC2X3", ids(entity("IFCFAN"), attribute("Name"), versions="IFC2X3"), root(1, "IFCFLOWMOVINGDEVICE", "'F'", *["$"] * 5) + "\n" + root(2, "IFCPUMPTYPE", *["$"] * 7, ".NOTDEFINED.") + "\n" + root(3, "IFCRELDEFINESBYTYPE", "$", "$", "(#1)", "#2"), "fail", "IFC2X3"),
    Case("a moving device that has to be a fan", about("IFCFLOWMOVINGDEVICE", entity("IFCFAN"), versions="IFC2X3"), root(1, "IFCFLOWMOVINGDEVICE", "'F'", *["$"] * 5) + "\n" + root(2, "IFCFANTYPE", *["$"] * 7, ".NOTDEFINED.") + "\n" + root(3, "IFCRELDEFINESBYTYPE", "$", "$", "(#1)", "#2"), "pass", "IFC2X3"),
    Case("a moving device that is no fan", about("IFCFLOWMOVINGDEVICE", entity("IFCFAN"), versions="IFC2X3"), root(1, "IFCFLOWMOVINGDEVICE", "'F'", *["$"] * 5) + "\n" + root(2, "IFCPUMPTYPE", *["$"] * 7, ".NOTDEFINED.") + "\n" + root(3, "IFCRELDEFINESBYTYPE", "$", "$", "(#1)", "#2"), "fail", "IFC2X3"),
    Case("the kind of a fan in IFC2X3", about("IFCFAN", entity("IFCFAN", "VANEAXIAL"), versions="IFC2X3"), root(1, "IFCFLOWMOVINGDEVICE", "'F'", *["$"] * 5) + "\n" + root(2, "IFCFANTYPE", *["$"] * 7, ".VANEAXIAL.") + "\n" + root(3, "IFCRELDEFINESBYTYPE", "$", "$", "(#1)", "#2"), "pass", "IFC2X3"),
]

SYSTEM = "#50=IFCCLASSIFICATION($,$,$,'Uniclass',$,$,$);\n#51=IFCCLASSIFICATIONREFERENCE($,'EF_25','Walls',#50,$,$);\n#52=IFCCLASSIFICATIONREFERENCE($,'EF_25_10','Outer walls',#51,$,$);\n#53=IFCCLASSIFICATION($,$,$,'Omniclass',$,$,$);\n#54=IFCCLASSIFICATIONREFERENCE($,'21-02','Shell',#53,$,$);"


def classified(reference: str, of: str = "#1", at: int = 60) -> str:
    return root(at, "IFCRELASSOCIATESCLASSIFICATION", "$", "$", f"({of})", reference)


CLASSIFICATIONS = [
    Case("classified at all", wall(classification(like(".*"))), f"{WALL}\n{SYSTEM}\n{classified('#52')}", "pass"),
    Case("not classified", wall(classification(like(".*"))), f"{WALL}\n{SYSTEM}", "fail"),
    Case("not classified, and that is asked", wall(classification("Uniclass", is_="prohibited")), f"{WALL}\n{SYSTEM}", "pass"),
    Case("in the system", wall(classification("Uniclass")), f"{WALL}\n{SYSTEM}\n{classified('#52')}", "pass"),
    Case("in another system", wall(classification("Omniclass")), f"{WALL}\n{SYSTEM}\n{classified('#52')}", "fail"),
    Case("the code", wall(classification("Uniclass", "EF_25_10")), f"{WALL}\n{SYSTEM}\n{classified('#52')}", "pass"),
    Case("a code above it", wall(classification("Uniclass", "EF_25")), f"{WALL}\n{SYSTEM}\n{classified('#52')}", "pass"),
    Case("a code below it", wall(classification("Uniclass", "EF_25_10")), f"{WALL}\n{SYSTEM}\n{classified('#51')}", "fail"),
    Case("the code of one and the system of another", wall(classification("Omniclass", "EF_25")), f"{WALL}\n{SYSTEM}\n{classified('#52')}\n{classified('#54', at=61)}", "fail"),
    Case("the system itself", about("IFCPROJECT", classification("Uniclass")), f"{root(1, 'IFCPROJECT', *['$'] * 7)}\n{SYSTEM}\n{classified('#50')}", "pass"),
    Case("optional and right", wall(classification("Uniclass", "EF_25", "optional")), f"{WALL}\n{SYSTEM}\n{classified('#52')}", "pass"),
    Case("optional and wrong", wall(classification("Uniclass", "EF_30", "optional")), f"{WALL}\n{SYSTEM}\n{classified('#52')}", "fail"),
    Case("classification: optional and not there", wall(classification("Uniclass", "EF_30", "optional")), f"{WALL}\n{SYSTEM}", "pass"),
    Case("optional without a code cannot fail", wall(classification("Uniclass", is_="optional")), WALL, "invalid"),
    Case("a material is classified", about("IFCMATERIAL", classification("Uniclass", "EF_25"), versions="IFC4"), f"#1=IFCMATERIAL('Brick',$,$);\n{SYSTEM}\n#60=IFCEXTERNALREFERENCERELATIONSHIP($,$,#52,(#1));", "pass"),
    Case("classification: inherited from the type", wall(classification("Uniclass", "EF_25_10")), f"{typed_wall(('$',) * 7, ('$',) * 7 + ('.SHEAR.',))}\n{SYSTEM}\n{classified('#52', '#2')}", "pass"),
    Case("the occurrence's own replaces it", wall(classification("Uniclass", "EF_25_10")), f"{typed_wall(('$',) * 7, ('$',) * 7 + ('.SHEAR.',))}\n{SYSTEM}\n{classified('#52', '#2')}\n{classified('#51', at=61)}", "fail"),
    Case("but not that of another system", wall(classification("Omniclass")), f"{typed_wall(('$',) * 7, ('$',) * 7 + ('.SHEAR.',))}\n{SYSTEM}\n{classified('#54', '#2')}\n{classified('#51', at=61)}", "pass"),
    Case("a curve cannot be classified", about("IFC2DCOMPOSITECURVE", classification("Uniclass"), versions="IFC2X3"), "#1=IFCCARTESIANPOINT((0.,0.));", "invalid", "IFC2X3"),
    Case("only what is classified is meant", ids(entity("IFCWALL") + classification("Uniclass"), attribute("Name", "Waldo")), f"{WALL}\n{SYSTEM}\n{classified('#52')}\n{root(9, 'IFCWALL', *['$'] * 7)}", "pass"),
]

PROPERTIES = [
    Case("any value", foo("IFCLABEL"), with_property("IFCLABEL('Bar')"), "pass"),
    Case("no set", foo("IFCLABEL"), WALL, "fail"),
    Case("a set without it", foo("IFCLABEL"), with_property("IFCLABEL('Bar')", name="Other"), "fail"),
    Case("no value", foo("IFCLABEL"), with_property("$"), "fail"),
    Case("an empty value", foo("IFCLABEL"), with_property("IFCLABEL('')"), "fail"),
    Case("another type", foo("IFCTEXT"), with_property("IFCLABEL('Bar')"), "fail"),
    Case("property: prohibited and there", foo(is_="prohibited"), with_property("IFCLABEL('Bar')"), "fail"),
    Case("prohibited and there without a value", foo(is_="prohibited"), with_property("$"), "fail"),
    Case("prohibited and not there", foo(is_="prohibited"), with_property("IFCLABEL('Bar')", name="Other"), "pass"),
    Case("prohibited with a type", foo("IFCLABEL", is_="prohibited"), WALL, "invalid"),
    Case("property: optional and there", foo("IFCLABEL", is_="optional"), with_property("IFCLABEL('Bar')"), "pass"),
    Case("property: optional and not there", foo("IFCLABEL", is_="optional"), WALL, "pass"),
    Case("optional of another type", foo("IFCLABEL", is_="optional"), with_property("IFCREAL(1.)"), "fail"),
    Case("optional without a type cannot fail", foo(is_="optional"), WALL, "invalid"),
    Case("a value without a type", foo("", "Bar"), WALL, "invalid"),
    Case("no such type", foo("IFCRABBIT"), WALL, "invalid"),
    Case("a type of a newer schema", foo("IFCDURATION"), WALL, "invalid"),
    Case("unknown is no value in a property", foo4("IFCLOGICAL"), with_property("IFCLOGICAL(.U.)"), "fail"),
    Case("a logical value", foo4("IFCLOGICAL", "true"), with_property("IFCLOGICAL(.T.)"), "pass"),
    Case("a duration of nothing", foo4("IFCDURATION"), with_property("IFCDURATION('P0D')"), "pass"),
    Case("a boolean false", foo("IFCBOOLEAN"), with_property("IFCBOOLEAN(.F.)"), "pass"),
    Case("0 is false", foo("IFCBOOLEAN", "0"), with_property("IFCBOOLEAN(.F.)"), "pass"),
    Case("False is none", foo("IFCBOOLEAN", "False"), with_property("IFCBOOLEAN(.F.)"), "invalid"),
    Case("a number as text", foo("IFCLABEL", "1"), with_property("IFCLABEL('1')"), "pass"),
    Case("a number as text is not another text", foo("IFCLABEL", "1"), with_property("IFCLABEL('1.0')"), "fail"),
    Case("an integer of a property", foo("IFCINTEGER", "42"), with_property("IFCINTEGER(42)"), "pass"),
    Case("an integer with a point", foo("IFCINTEGER", "42."), with_property("IFCINTEGER(42)"), "invalid"),
    Case("metres for millimetres", foo("IFCLENGTHMEASURE", "2"), with_property("IFCLENGTHMEASURE(2000.)"), "pass"),
    Case("millimetres for metres", foo("IFCLENGTHMEASURE", "2000"), with_property("IFCLENGTHMEASURE(2000.)"), "fail"),
    Case("square metres", foo("IFCAREAMEASURE", "2"), with_property("IFCAREAMEASURE(2000000.)"), "pass"),
    Case("kilograms", foo("IFCMASSMEASURE", "6"), with_property("IFCMASSMEASURE(6.)"), "pass"),
    Case("its own unit", foo("IFCLENGTHMEASURE", "2"), with_other("IFCPROPERTYSINGLEVALUE('Foo',$,IFCLENGTHMEASURE(200.),#80)") + "\n#80=IFCSIUNIT(*,.LENGTHUNIT.,.CENTI.,.METRE.);", "pass"),
    Case("feet", foo("IFCLENGTHMEASURE", "3.048"), with_other("IFCPROPERTYSINGLEVALUE('Foo',$,IFCLENGTHMEASURE(10.),#80)") + "\n#79=IFCDIMENSIONALEXPONENTS(1,0,0,0,0,0,0);\n#80=IFCCONVERSIONBASEDUNIT(#79,.LENGTHUNIT.,'FOOT',#81);\n#81=IFCMEASUREWITHUNIT(IFCLENGTHMEASURE(0.3048),#82);\n#82=IFCSIUNIT(*,.LENGTHUNIT.,$,.METRE.);", "pass"),
    Case("a derived unit", foo("IFCVOLUMETRICFLOWRATEMEASURE", "0.002"), with_other("IFCPROPERTYSINGLEVALUE('Foo',$,IFCVOLUMETRICFLOWRATEMEASURE(2.),#80)") + "\n#80=IFCDERIVEDUNIT((#81,#83),.VOLUMETRICFLOWRATEUNIT.,$);\n#81=IFCDERIVEDUNITELEMENT(#82,3);\n#82=IFCSIUNIT(*,.LENGTHUNIT.,.DECI.,.METRE.);\n#83=IFCDERIVEDUNITELEMENT(#84,-1);\n#84=IFCSIUNIT(*,.TIMEUNIT.,$,.SECOND.);", "pass"),
    Case("degrees Celsius", foo("IFCTHERMODYNAMICTEMPERATUREMEASURE", "293.15"), with_other("IFCPROPERTYSINGLEVALUE('Foo',$,IFCTHERMODYNAMICTEMPERATUREMEASURE(20.),#80)") + "\n#80=IFCSIUNIT(*,.THERMODYNAMICTEMPERATUREUNIT.,$,.DEGREE_CELSIUS.);", "pass"),
    Case("property: one of a list", foo("IFCLABEL", "Y"), with_other("IFCPROPERTYLISTVALUE('Foo',$,(IFCLABEL('X'),IFCLABEL('Y')),$)"), "pass"),
    Case("none of a list", foo("IFCLABEL", "Z"), with_other("IFCPROPERTYLISTVALUE('Foo',$,(IFCLABEL('X'),IFCLABEL('Y')),$)"), "fail"),
    Case("all of a list in a range", foo("IFCREAL", limited(minInclusive="1")), with_other("IFCPROPERTYLISTVALUE('Foo',$,(IFCREAL(1.),IFCREAL(0.5)),$)"), "fail"),
    Case("one of an enumerated value", foo("IFCLABEL", "Y"), with_other("IFCPROPERTYENUMERATEDVALUE('Foo',$,(IFCLABEL('X'),IFCLABEL('Y')),$)"), "pass"),
    Case("an enumerated value without values", foo("IFCLABEL"), with_other("IFCPROPERTYENUMERATEDVALUE('Foo',$,$,$)"), "fail"),
    Case("a column of a table", foo("IFCLENGTHMEASURE", "1"), with_other("IFCPROPERTYTABLEVALUE('Foo',$,(IFCLABEL('X')),(IFCLENGTHMEASURE(1000.)),$,$,$,$)"), "pass"),
    Case("the other column of a table", foo("IFCLABEL", "Y"), with_other("IFCPROPERTYTABLEVALUE('Foo',$,(IFCLABEL('X')),(IFCLENGTHMEASURE(1000.)),$,$,$,$)"), "fail"),
    Case("a bound", foo("IFCLENGTHMEASURE", "5"), with_other("IFCPROPERTYBOUNDEDVALUE('Foo',$,IFCLENGTHMEASURE(5000.),IFCLENGTHMEASURE(1000.),$,IFCLENGTHMEASURE(3000.))"), "pass"),
    Case("not the set point", foo("IFCLENGTHMEASURE", "2"), with_other("IFCPROPERTYBOUNDEDVALUE('Foo',$,IFCLENGTHMEASURE(5000.),IFCLENGTHMEASURE(1000.),$,IFCLENGTHMEASURE(3000.))"), "fail"),
    Case("between the bounds", foo("IFCLENGTHMEASURE", "2"), with_other("IFCPROPERTYBOUNDEDVALUE('Foo',$,IFCLENGTHMEASURE(5000.),IFCLENGTHMEASURE(1000.),$,$)"), "pass"),
    Case("above the only bound", foo("IFCLENGTHMEASURE", "5"), with_other("IFCPROPERTYBOUNDEDVALUE('Foo',$,IFCLENGTHMEASURE(4000.),$,$,$)"), "fail"),
    Case("both bounds in the range", foo("IFCLENGTHMEASURE", limited(minExclusive="2", maxInclusive="5")), with_other("IFCPROPERTYBOUNDEDVALUE('Foo',$,IFCLENGTHMEASURE(5000.),IFCLENGTHMEASURE(3000.),$,$)"), "pass"),
    Case("one bound on the excluded limit", foo("IFCLENGTHMEASURE", limited(minExclusive="2", maxInclusive="5")), with_other("IFCPROPERTYBOUNDEDVALUE('Foo',$,IFCLENGTHMEASURE(3000.),IFCLENGTHMEASURE(2000.),$,$)"), "fail"),
    Case("an open end leaves the range", foo("IFCLENGTHMEASURE", limited(minExclusive="2", maxInclusive="5")), with_other("IFCPROPERTYBOUNDEDVALUE('Foo',$,IFCLENGTHMEASURE(4000.),$,$,$)"), "fail"),
    Case("an open end on the free side", foo("IFCLENGTHMEASURE", limited(minInclusive="20")), with_other("IFCPROPERTYBOUNDEDVALUE('Foo',$,$,IFCLENGTHMEASURE(40000.),$,$)"), "pass"),
    Case("no bounds", foo("IFCLENGTHMEASURE"), with_other("IFCPROPERTYBOUNDEDVALUE('Foo',$,$,$,$,$)"), "fail"),
    Case("a reference", foo("IFCLABEL"), with_other("IFCPROPERTYREFERENCEVALUE('Foo',$,$,$)"), "fail"),
    Case("a complex property", foo("IFCLABEL"), with_other("IFCCOMPLEXPROPERTY('Foo',$,'Use',(#80))") + "\n#80=IFCPROPERTYSINGLEVALUE('Inner',$,IFCLABEL('x'),$);", "fail"),
    Case("a quantity", foo("IFCLENGTHMEASURE", "42"), f"{MILLIMETRES}\n{BARE_WALL}\n#2=IFCQUANTITYLENGTH('Foo',$,$,42000.,$);\n#3=IFCELEMENTQUANTITY('{guid(3)}',$,'Foo_Bar',$,$,(#2));\n{root(4, 'IFCRELDEFINESBYPROPERTIES', '$', '$', '(#1)', '#3')}", "pass"),
    Case("a quantity of another kind", foo("IFCAREAMEASURE"), f"{MILLIMETRES}\n{BARE_WALL}\n#2=IFCQUANTITYLENGTH('Foo',$,$,42000.,$);\n#3=IFCELEMENTQUANTITY('{guid(3)}',$,'Foo_Bar',$,$,(#2));\n{root(4, 'IFCRELDEFINESBYPROPERTIES', '$', '$', '(#1)', '#3')}", "fail"),
    Case("a predefined set", about("IFCDOOR", prop("Foo_Bar", "PanelOperation", "IFCDOORPANELOPERATIONENUM", "SWINGING")), f"{root(1, 'IFCDOOR', *['$'] * 11)}\n#3=IFCDOORPANELPROPERTIES('{guid(3)}',$,'Foo_Bar',$,$,.SWINGING.,$,.LEFT.,$);\n{root(4, 'IFCRELDEFINESBYPROPERTIES', '$', '$', '(#1)', '#3')}", "pass"),
    Case("another value in a predefined set", about("IFCDOOR", prop("Foo_Bar", "PanelOperation", "IFCDOORPANELOPERATIONENUM", "SLIDING")), f"{root(1, 'IFCDOOR', *['$'] * 11)}\n#3=IFCDOORPANELPROPERTIES('{guid(3)}',$,'Foo_Bar',$,$,.SWINGING.,$,.LEFT.,$);\n{root(4, 'IFCRELDEFINESBYPROPERTIES', '$', '$', '(#1)', '#3')}", "fail"),
    Case("every property that fits the name", wall(prop("Foo_Bar", like("Foo.*"), "IFCLABEL", "x")), f"{BARE_WALL}\n#2=IFCPROPERTYSINGLEVALUE('Foo1',$,IFCLABEL('x'),$);\n#9=IFCPROPERTYSINGLEVALUE('Foo2',$,IFCLABEL('y'),$);\n{in_set('#2,#9')}", "fail"),
    Case("every set that fits the name", wall(prop(like("Foo_.*"), "Foo", "IFCLABEL")), f"{with_property(chr(73) + 'FCLABEL(' + chr(39) + 'x' + chr(39) + ')')}\n#9=IFCPROPERTYSINGLEVALUE('Other',$,IFCLABEL('x'),$);\n{in_set('#9', group='Foo_Baz', at=10)}", "fail"),
    Case("property: inherited from the type", foo("IFCLABEL"), f"{typed_wall(('$',) * 7, ('$',) * 3 + ('(#5)', '$', '$', '$', '.SHEAR.'))}\n#5=IFCPROPERTYSET('{guid(5)}',$,'Foo_Bar',$,(#6));\n#6=IFCPROPERTYSINGLEVALUE('Foo',$,IFCLABEL('x'),$);", "pass"),
    Case("replaced by the occurrence", foo("IFCLABEL", "x"), f"{typed_wall(('$',) * 7, ('$',) * 3 + ('(#5)', '$', '$', '$', '.SHEAR.'))}\n#5=IFCPROPERTYSET('{guid(5)}',$,'Foo_Bar',$,(#6));\n#6=IFCPROPERTYSINGLEVALUE('Foo',$,IFCLABEL('x'),$);\n#7=IFCPROPERTYSINGLEVALUE('Foo',$,IFCLABEL('y'),$);\n{in_set('#7', at=10)}", "fail"),
    Case("of a material", about("IFCMATERIAL", prop("Foo_Bar", "Foo", "IFCLABEL"), versions="IFC4"), "#1=IFCMATERIAL('Brick',$,$);\n#2=IFCPROPERTYSINGLEVALUE('Foo',$,IFCLABEL('x'),$);\n#3=IFCMATERIALPROPERTIES('Foo_Bar',$,(#2),#1);", "pass"),
    Case("of a material in IFC2X3", about("IFCMATERIAL", prop("Foo_Bar", "Foo", "IFCLABEL"), versions="IFC2X3"), "#1=IFCMATERIAL('Brick');\n#2=IFCPROPERTYSINGLEVALUE('Foo',$,IFCLABEL('x'),$);\n#3=IFCEXTENDEDMATERIALPROPERTIES(#1,(#2),$,'Foo_Bar');", "pass", "IFC2X3"),
    Case("of the project", about("IFCPROJECT", prop("Foo_Bar", "Foo", "IFCLABEL")), f"{root(1, 'IFCPROJECT', *['$'] * 7)}\n#2=IFCPROPERTYSINGLEVALUE('Foo',$,IFCLABEL('x'),$);\n{in_set('#2')}", "pass"),
    Case("nothing of a point", about("IFCCARTESIANPOINT", prop("Foo_Bar", "Foo", "IFCLABEL")), "#1=IFCCARTESIANPOINT((0.,0.));", "invalid"),
    Case("a standardised property", wall(prop("Pset_WallCommon", "FireRating", "IFCLABEL")), with_property("IFCLABEL('REI60')", name="FireRating", group="Pset_WallCommon"), "pass"),
    Case("no property of the standardised set", wall(prop("Pset_WallCommon", "FireColour", "IFCLABEL")), WALL, "invalid"),
    Case("another type than the standard's", wall(prop("Pset_WallCommon", "IsExternal", "IFCTEXT")), WALL, "invalid"),
    Case("a standardised set of something else", wall(prop("Pset_DoorCommon", "FireRating", "IFCLABEL")), WALL, "invalid"),
    Case("a standardised set at the type", about("IFCWALLTYPE", prop("Pset_WallCommon", "FireRating", "IFCLABEL"), versions="IFC4"), f"{root(1, 'IFCWALLTYPE', *['$'] * 3, '(#5)', '$', '$', '$', '.SHEAR.')}\n#5=IFCPROPERTYSET('{guid(5)}',$,'Pset_WallCommon',$,(#6));\n#6=IFCPROPERTYSINGLEVALUE('FireRating',$,IFCLABEL('x'),$);", "pass"),
    Case("a reserved name", wall(prop("Pset_Mine", "Foo", "IFCLABEL")), WALL, "invalid"),
    Case("a standardised quantity", ids(entity("IFCSPACE") + attribute("Description", like(".*BED.*")), prop("Qto_SpaceBaseQuantities", "NetFloorArea", "IFCAREAMEASURE", limited(minInclusive="10"))), f"{MILLIMETRES}\n{root(1, 'IFCSPACE', '$', chr(39) + 'BEDROOM' + chr(39), *['$'] * 7)}\n#2=IFCQUANTITYAREA('NetFloorArea',$,$,9000000.,$);\n#3=IFCELEMENTQUANTITY('{guid(3)}',$,'Qto_SpaceBaseQuantities',$,$,(#2));\n{root(4, 'IFCRELDEFINESBYPROPERTIES', '$', '$', '(#1)', '#3')}", "fail"),
    Case("a restriction of another type", foo("IFCLENGTHMEASURE", limited("xs:integer", minInclusive="1")), WALL, "invalid"),
    Case("a value of a date", foo4("IFCDATE", "2022-01-01"), with_property("IFCDATE('2022-01-01')"), "pass"),
    Case("no date", foo4("IFCDATE", "1.1.2022"), WALL, "invalid"),
    Case("only walls that bear", ids(entity("IFCWALL") + prop("Pset_WallCommon", "LoadBearing", "IFCBOOLEAN", "true"), attribute("Name")), with_property("IFCBOOLEAN(.T.)", name="LoadBearing", group="Pset_WallCommon"), "fail"),
]

TOLERANCES = [
    Case(f"{value} for {wanted}", foo("IFCREAL", wanted), with_property(f"IFCREAL({value})"), verdict)
    for wanted, value, verdict in (
        ("100000.", "99999.899999", "pass"),
        ("100000.", "99999.899998", "fail"),
        ("100000.", "100000.100001", "pass"),
        ("100000.", "100000.100002", "fail"),
        ("1.", "0.999998", "pass"),
        ("1.", "0.9999979", "fail"),
        ("1.", "1.000002", "pass"),
        ("0.0000001", "-0.0000009", "pass"),
        ("0.0000001", "-0.0000009001", "fail"),
        ("0.", "0.000001", "pass"),
        ("0.", "0.0000011", "fail"),
        ("-1.", "-1.000002", "pass"),
        ("-1.", "-1.0000021", "fail"),
        ("-1000000.", "-999998.999999", "pass"),
        ("-1000000.", "-999998.9999", "fail"),
    )
] + [
    Case("ranges have no tolerance", foo("IFCREAL", limited(minInclusive="0.")), with_property("IFCREAL(-0.0000001)"), "fail"),
    Case("nor have excluded limits", foo("IFCREAL", limited(minExclusive="0.")), with_property("IFCREAL(0.0000001)"), "pass"),
]


def made_of(definition: str, of: str = "#1", at: int = 60) -> str:
    return root(at, "IFCRELASSOCIATESMATERIAL", "$", "$", f"({of})", definition)


MATERIALS = [
    Case("any material", wall(material()), f"{WALL}\n#2=IFCMATERIAL('Foo',$,$);\n{made_of('#2')}", "pass"),
    Case("no material", wall(material()), WALL, "fail"),
    Case("a material is prohibited", wall(material(is_="prohibited")), f"{WALL}\n#2=IFCMATERIAL('Foo',$,$);\n{made_of('#2')}", "fail"),
    Case("one material is prohibited", wall(material("Bar", "prohibited")), f"{WALL}\n#2=IFCMATERIAL('Foo',$,$);\n{made_of('#2')}", "pass"),
    Case("material: optional and there", wall(material("Foo", "optional")), f"{WALL}\n#2=IFCMATERIAL('Foo',$,$);\n{made_of('#2')}", "pass"),
    Case("optional and another", wall(material("Foo", "optional")), f"{WALL}\n#2=IFCMATERIAL('Bar',$,$);\n{made_of('#2')}", "fail"),
    Case("optional and none", wall(material("Foo", "optional")), WALL, "pass"),
    Case("material: optional without a value cannot fail", wall(material(is_="optional")), WALL, "invalid"),
    Case("its name", wall(material("Foo")), f"{WALL}\n#2=IFCMATERIAL('Foo',$,$);\n{made_of('#2')}", "pass"),
    Case("its category", wall(material("Foo")), f"{WALL}\n#2=IFCMATERIAL('Bar',$,'Foo');\n{made_of('#2')}", "pass"),
    Case("material: one of a list", wall(material("Foo")), f"{WALL}\n#2=IFCMATERIAL('Foo',$,$);\n#3=IFCMATERIALLIST((#2));\n{made_of('#3')}", "pass"),
    Case("a layer", wall(material("Foo")), f"{WALL}\n#2=IFCMATERIAL('Bar',$,$);\n#3=IFCMATERIALLAYER(#2,1.,$,'Foo',$,$,$);\n#4=IFCMATERIALLAYERSET((#3),$,$);\n{made_of('#4')}", "pass"),
    Case("the category of a layer, through its use", wall(material("Foo")), f"{WALL}\n#2=IFCMATERIAL('Bar',$,$);\n#3=IFCMATERIALLAYER(#2,1.,$,$,$,'Foo',$);\n#4=IFCMATERIALLAYERSET((#3),$,$);\n#5=IFCMATERIALLAYERSETUSAGE(#4,.AXIS2.,.POSITIVE.,0.,$);\n{made_of('#5')}", "pass"),
    Case("the set's own name", wall(material("Foo")), f"{WALL}\n#3=IFCMATERIALLAYER($,1.,$,$,$,$,$);\n#4=IFCMATERIALLAYERSET((#3),'Foo',$);\n{made_of('#4')}", "pass"),
    Case("a profile", wall(material("Foo")), f"{WALL}\n#2=IFCMATERIAL('Bar',$,$);\n#7=IFCCIRCLEPROFILEDEF(.AREA.,$,$,1.);\n#3=IFCMATERIALPROFILE('Foo',$,#2,#7,$,$);\n#4=IFCMATERIALPROFILESET($,$,(#3),$);\n{made_of('#4')}", "pass"),
    Case("a constituent", wall(material("Foo")), f"{WALL}\n#2=IFCMATERIAL('Bar',$,$);\n#3=IFCMATERIALCONSTITUENT('Foo',$,#2,$,$);\n#4=IFCMATERIALCONSTITUENTSET($,$,(#3));\n{made_of('#4')}", "pass"),
    Case("a set without parts", wall(material("Foo")), f"{WALL}\n#4=IFCMATERIALCONSTITUENTSET($,$,$);\n{made_of('#4')}", "fail"),
    Case("of the type", wall(material("Foo")), f"{typed_wall(('$',) * 7, ('$',) * 7 + ('.SHEAR.',))}\n#4=IFCMATERIAL('Foo',$,$);\n{made_of('#4', '#2')}", "pass"),
    Case("its own instead of the type's", wall(material("Foo")), f"{typed_wall(('$',) * 7, ('$',) * 7 + ('.SHEAR.',))}\n#4=IFCMATERIAL('Foo',$,$);\n#5=IFCMATERIAL('Bar',$,$);\n{made_of('#4', '#2')}\n{made_of('#5', at=61)}", "fail"),
]

SPACE, STOREY = root(1, "IFCSPACE", *["$"] * 9), root(2, "IFCBUILDINGSTOREY", *["$"] * 8)
BEAM = root(3, "IFCBEAM", *["$"] * 7)
IN_STOREY = root(10, "IFCRELAGGREGATES", "$", "$", "#2", "(#1)")
IN_SPACE = root(11, "IFCRELCONTAINEDINSPATIALSTRUCTURE", "$", "$", "(#3)", "#1")
CONTAINED, AGGREGATED, GROUPED, NESTED = "IFCRELCONTAINEDINSPATIALSTRUCTURE", "IFCRELAGGREGATES", "IFCRELASSIGNSTOGROUP", "IFCRELNESTS"
VOIDED = "IFCRELVOIDSELEMENT IFCRELFILLSELEMENT"
WINDOW = "\n".join(
    (
        root(1, "IFCWINDOW", *["$"] * 11),
        root(2, "IFCOPENINGELEMENT", *["$"] * 7),
        root(3, "IFCWALL", *["$"] * 7),
        root(4, "IFCRELFILLSELEMENT", "$", "$", "#2", "#1"),
        root(5, "IFCRELVOIDSELEMENT", "$", "$", "#3", "#2"),
    )
)


def beam(*needs: str) -> str:
    return about("IFCBEAM", *needs)


PARTS = [
    Case("contained", beam(part_of("IFCSPACE", CONTAINED)), f"{SPACE}\n{BEAM}\n{IN_SPACE}", "pass"),
    Case("not contained", beam(part_of(like(".*"), CONTAINED)), f"{SPACE}\n{BEAM}", "fail"),
    Case("contained in something else", beam(part_of("IFCSITE", CONTAINED)), f"{SPACE}\n{BEAM}\n{IN_SPACE}", "fail"),
    Case("contained in what is in it", beam(part_of("IFCBUILDINGSTOREY", CONTAINED)), f"{SPACE}\n{STOREY}\n{BEAM}\n{IN_SPACE}\n{IN_STOREY}", "pass"),
    Case("that is not aggregated", beam(part_of("IFCBUILDINGSTOREY", AGGREGATED)), f"{SPACE}\n{STOREY}\n{BEAM}\n{IN_SPACE}\n{IN_STOREY}", "fail"),
    Case("aggregated is not contained", beam(part_of("IFCSPACE", CONTAINED)), f"{SPACE}\n{BEAM}\n{root(11, 'IFCRELAGGREGATES', '$', '$', '#1', '(#3)')}", "fail"),
    Case("by any relation", beam(part_of("IFCBUILDINGSTOREY")), f"{SPACE}\n{STOREY}\n{BEAM}\n{IN_SPACE}\n{IN_STOREY}", "pass"),
    Case("prohibited", beam(part_of("IFCBUILDINGSTOREY", is_="prohibited")), f"{SPACE}\n{STOREY}\n{BEAM}\n{IN_SPACE}\n{IN_STOREY}", "fail"),
    Case("the whole is no part", about("IFCBUILDINGSTOREY", part_of(like(".*"), AGGREGATED)), f"{SPACE}\n{STOREY}\n{IN_STOREY}", "fail"),
    Case("the container is not contained", about("IFCSPACE", part_of(like(".*"), CONTAINED)), f"{SPACE}\n{BEAM}\n{IN_SPACE}", "fail"),
    Case("of a predefined type", about("IFCBEAM", part_of("IFCSPACE", CONTAINED, "BURROW"), versions="IFC4"), f"{root(1, 'IFCSPACE', '$', '$', chr(39) + 'BURROW' + chr(39), *['$'] * 4, '.USERDEFINED.', '$')}\n{BEAM}\n{IN_SPACE}", "pass"),
    Case("of another predefined type", about("IFCBEAM", part_of("IFCSPACE", CONTAINED, "WARREN"), versions="IFC4"), f"{root(1, 'IFCSPACE', '$', '$', chr(39) + 'BURROW' + chr(39), *['$'] * 4, '.USERDEFINED.', '$')}\n{BEAM}\n{IN_SPACE}", "fail"),
    Case("grouped", beam(part_of("IFCSYSTEM", GROUPED)), f"{BEAM}\n{root(1, 'IFCSYSTEM', *['$'] * 3)}\n{root(4, 'IFCRELASSIGNSTOGROUP', '$', '$', '(#3)', '$', '#1')}", "pass"),
    Case("grouped in a group", beam(part_of("IFCZONE", GROUPED)), f"{BEAM}\n{root(1, 'IFCSYSTEM', *['$'] * 3)}\n{root(4, 'IFCRELASSIGNSTOGROUP', '$', '$', '(#3)', '$', '#1')}\n{root(2, 'IFCZONE', *['$'] * 4)}\n{root(5, 'IFCRELASSIGNSTOGROUP', '$', '$', '(#1)', '$', '#2')}", "pass"),
    Case("groups are exact classes", beam(part_of("IFCGROUP", GROUPED)), f"{BEAM}\n{root(1, 'IFCSYSTEM', *['$'] * 3)}\n{root(4, 'IFCRELASSIGNSTOGROUP', '$', '$', '(#3)', '$', '#1')}", "fail"),
    Case("a wall is no group", beam(part_of("IFCWALL", GROUPED)), BEAM, "invalid"),
    Case("the group of IFC2X3 has no predefined type", beam(part_of("IFCINVENTORY", GROUPED, "X")), BEAM, "invalid"),
    Case("nested in what is nested", about("IFCMECHANICALFASTENER", part_of("IFCFURNITURE", NESTED), versions="IFC4"), "\n".join((root(1, "IFCFURNITURE", *["$"] * 7), root(2, "IFCDISCRETEACCESSORY", *["$"] * 7), root(3, "IFCMECHANICALFASTENER", *["$"] * 9), root(4, "IFCRELNESTS", "$", "$", "#1", "(#2)"), root(5, "IFCRELNESTS", "$", "$", "#2", "(#3)"))), "pass"),
    Case("in the wall by its opening", about("IFCWINDOW", part_of("IFCWALL", VOIDED)), WINDOW, "pass"),
    Case("not in a slab", about("IFCWINDOW", part_of("IFCSLAB", VOIDED)), WINDOW, "fail"),
    Case("the opening in the wall", about("IFCOPENINGELEMENT", part_of("IFCWALL", VOIDED)), WINDOW, "pass"),
    Case("optional does not exist here", beam(part_of("IFCWALL", is_="optional")), BEAM, "invalid"),
    Case("a relation that is none", beam(part_of("IFCWALL", "IFCRELCONNECTSELEMENTS")), BEAM, "invalid"),
    Case("a cycle ends", beam(part_of("IFCSITE", AGGREGATED)), f"{SPACE}\n{BEAM}\n{root(11, 'IFCRELAGGREGATES', '$', '$', '#1', '(#3)')}\n{root(12, 'IFCRELAGGREGATES', '$', '$', '#3', '(#1)')}", "fail"),
]

SPECIFICATIONS = [
    Case("required and nothing there", wall(attribute("Name")), BEAM, "fail"),
    Case("optional and nothing there", wall(attribute("Name"), usage=OPTIONAL), BEAM, "pass"),
    Case("prohibited and nothing there", wall(usage=PROHIBITED), BEAM, "pass"),
    Case("specification: prohibited and there", wall(usage=PROHIBITED), WALL, "fail"),
    Case("prohibited with requirements", wall(attribute("Name"), usage=PROHIBITED), BEAM, "invalid"),
    Case("required and there without requirements", wall(), WALL, "pass"),
    Case("all requirements", wall(attribute("Name", "Waldo"), attribute("Description", "x")), WALL, "fail"),
    Case("the version does not decide", wall(attribute("Name", "Wally"), versions="IFC2X3"), WALL, "fail"),
    Case("any of the specifications fails", wall(attribute("Name")).replace("</specification></specifications>", f'</specification><specification name="B" ifcVersion="IFC4"><applicability {REQUIRED}>{entity("IFCSLAB")}</applicability></specification></specifications>'), WALL, "fail"),
    Case("another count", wall(attribute("Name"), usage='minOccurs="1" maxOccurs="3"'), WALL, "invalid"),
    Case("counts left out are 1 and 1", wall(attribute("Name"), usage=""), WALL, "invalid"),
    Case("about nothing", ids("", attribute("Name")), WALL, "invalid"),
    Case("no schema", wall(attribute("Name"), versions=""), WALL, "invalid"),
    Case("no such schema", wall(attribute("Name"), versions="IFC5"), WALL, "invalid"),
    Case("no such element", wall(attribute("Name")).replace("<info>", "<info><colour/>"), WALL, "invalid"),
    Case("in the wrong order", wall(f"<attribute>{part('value', 'x')}{part('name', 'Name')}</attribute>"), WALL, "invalid"),
    Case("of another namespace", wall(attribute("Name")).replace("buildingsmart.org/IDS", "buildingsmart.org/SDI"), WALL, "invalid"),
    Case("not XML", "<ids", WALL, "invalid"),
    Case("nothing", "", WALL, "invalid"),
    Case("no model", wall(attribute("Name")), "#1=IFCWALL(", "invalid"),
]

CASES = [*ATTRIBUTES, *RESTRICTIONS, *ENTITIES, *CLASSIFICATIONS, *PROPERTIES, *TOLERANCES, *MATERIALS, *PARTS, *SPECIFICATIONS]
