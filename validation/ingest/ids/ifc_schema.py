"""What an IFC schema says about names: classes, attributes, enumerations, data types. Needs ifcopenshell, so only inside a child process."""

from functools import cache, cached_property
from typing import Any, Final

from validation.ingest.ids import datatypes

EXPRESS_NAMES: Final = {"IFC2X3": "IFC2X3", "IFC4": "IFC4", "IFC4X3_ADD2": "IFC4X3_ADD2"}

# In IFC2X3 a fan is an IfcFlowMovingDevice with an IfcFanType. IDS uses the name that IFC4 has introduced for it.
_BY_TYPE: Final[dict[str, tuple[str, ...]]] = {
    "IfcFurnishingElement": ("Furniture", "SystemFurnitureElement"),
    "IfcDistributionControlElement": ("Actuator", "Alarm", "Controller", "FlowInstrument", "Sensor"),
    "IfcEnergyConversionDevice": (
        "AirToAirHeatRecovery",
        "Boiler",
        "Chiller",
        "Coil",
        "Condenser",
        "CooledBeam",
        "CoolingTower",
        "ElectricGenerator",
        "ElectricMotor",
        "EvaporativeCooler",
        "Evaporator",
        "HeatExchanger",
        "Humidifier",
        "MotorConnection",
        "SpaceHeater",
        "Transformer",
        "TubeBundle",
        "UnitaryEquipment",
    ),
    "IfcFlowController": (
        "AirTerminalBox",
        "Damper",
        "ElectricTimeControl",
        "FlowMeter",
        "ProtectiveDevice",
        "SwitchingDevice",
        "Valve",
    ),
    "IfcFlowFitting": ("CableCarrierFitting", "DuctFitting", "JunctionBox", "PipeFitting"),
    "IfcFlowMovingDevice": ("Compressor", "Fan", "Pump"),
    "IfcFlowSegment": ("CableCarrierSegment", "CableSegment", "DuctSegment", "PipeSegment"),
    "IfcFlowStorageDevice": ("ElectricFlowStorageDevice", "Tank"),
    "IfcFlowTerminal": (
        "AirTerminal",
        "ElectricAppliance",
        "FireSuppressionTerminal",
        "Lamp",
        "LightFixture",
        "Outlet",
        "SanitaryTerminal",
        "StackTerminal",
        "WasteTerminal",
    ),
    "IfcFlowTreatmentDevice": ("DuctSilencer", "Filter"),
    "IfcEquipmentElement": ("VibrationIsolator",),
}
# name in IDS -> (occurrence class, type class), all upper case
BY_TYPE_2X3: Final[dict[str, tuple[str, str]]] = {
    f"IFC{name}".upper(): (occurrence.upper(), f"IFC{name}TYPE".upper()) for occurrence, names in _BY_TYPE.items() for name in names
}


@cache
def schema(version: str) -> "Schema":
    return Schema(version)


class Schema:
    """One schema; class names are upper case, as IDS writes them."""

    def __init__(self, version: str) -> None:
        from ifcopenshell import ifcopenshell_wrapper

        self.version = version
        self._schema: Any = ifcopenshell_wrapper.schema_by_name(EXPRESS_NAMES[version])
        self._entities: dict[str, Any] = {one.name().upper(): one for one in self._schema.entities()}

    @cached_property
    def classes(self) -> frozenset[str]:
        """Names that an entity facet can have: classes that can be instantiated, and in IFC2X3 those of the mapping table."""
        concrete = {name for name, one in self._entities.items() if not one.is_abstract()}
        return frozenset(concrete | (set(BY_TYPE_2X3) if self.version == "IFC2X3" else set()))

    def written(self, name: str) -> str:
        """IFCWALL -> IfcWall."""
        entity = self._entities.get(name)
        if entity is not None:
            return str(entity.name())
        return f"Ifc{next(short for names in _BY_TYPE.values() for short in names if f'IFC{short}'.upper() == name)}"

    def subclasses(self, *roots: str) -> frozenset[str]:
        """Concrete classes below (and with) the given ones; in IFC2X3 the mapped names too."""
        found = frozenset(name for root in roots for name in self._below(root))
        mapped = {name for name, (occurrence, _) in BY_TYPE_2X3.items() if occurrence in found} if self.version == "IFC2X3" else set()
        return (found | mapped) & self.classes

    def same_objects(self, names: frozenset[str]) -> frozenset[str]:
        """With every name that the same objects can have: in IFC2X3 a flow terminal can be an air terminal, which is a flow terminal."""
        if self.version != "IFC2X3":
            return names
        occurrences = frozenset(pair[0] for name, pair in BY_TYPE_2X3.items() if name in names)
        return names | occurrences | frozenset(name for name, pair in BY_TYPE_2X3.items() if pair[0] in names)

    def _below(self, root: str) -> list[str]:
        wanted = root.upper()
        return [name for name in self._entities if wanted in self._lineage(name)]

    @cache  # noqa: B019  the schema lives as long as its process
    def _lineage(self, name: str) -> frozenset[str]:
        one, found = self._entities.get(name), set()
        while one is not None:
            found.add(one.name().upper())
            one = one.supertype()
        return frozenset(found)

    def _entity(self, name: str) -> Any:
        mapped = BY_TYPE_2X3.get(name) if self.version == "IFC2X3" else None
        return self._entities.get(mapped[0] if mapped and name not in self._entities else name)

    @cache  # noqa: B019
    def attributes(self, name: str) -> dict[str, str | None]:
        """Explicit attributes of a class -> the XML type of their values; None for objects, lists and selects, which have no value to compare."""
        entity = self._entity(name)
        if entity is None:
            return {}
        derived = entity.derived()
        return {
            attribute.name(): self._value_type(attribute.type_of_attribute())
            for attribute, is_derived in zip(entity.all_attributes(), derived, strict=True)
            if not is_derived
        }

    @cached_property
    def classes_with_attribute(self) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for name in self.classes:
            for attribute in self.attributes(name):
                found.setdefault(attribute, set()).add(name)
        return {attribute: frozenset(names) for attribute, names in found.items()}

    def _value_type(self, declared: Any) -> str | None:
        simple = declared.as_simple_type()
        if simple is not None:
            return datatypes.OF_EXPRESS.get(simple.declared_type())
        named = declared.as_named_type()
        return self._declaration_type(named.declared_type()) if named is not None else None

    def _declaration_type(self, declaration: Any) -> str | None:
        special = datatypes.SPECIAL.get(declaration.name().upper())
        if special:
            return special
        if declaration.as_enumeration_type() is not None:
            return "xs:string"
        defined = declaration.as_type_declaration()
        return self._value_type(defined.declared_type()) if defined is not None else None

    @cached_property
    def data_types(self) -> dict[str, str]:
        """Upper-case names of defined types with one value, enumerations included -> the XML type of the value ("" when it has none)."""
        found = {}
        for declaration in self._schema.declarations():
            if declaration.as_entity() is None and declaration.as_select_type() is None:
                base = self._declaration_type(declaration)
                if base is not None:
                    found[declaration.name().upper()] = base
        return found

    @cache  # noqa: B019
    def predefined_types(self, name: str) -> frozenset[str]:
        """The values of PredefinedType; empty when the class has no such attribute."""
        if self.version == "IFC2X3" and name in BY_TYPE_2X3 and name not in self._entities:
            return self.predefined_types(BY_TYPE_2X3[name][1])
        entity = self._entities.get(name)
        for attribute in entity.all_attributes() if entity is not None else ():
            named = attribute.type_of_attribute().as_named_type() if attribute.name() == "PredefinedType" else None
            enumeration = named.declared_type().as_enumeration_type() if named is not None else None
            if enumeration is not None:
                return frozenset(enumeration.enumeration_items())
        return frozenset()
