"""Functions of spaces: what people do in a room, by the words that models use for it, and what follows from that (load factor, group, habitable).

The mapping from names is always an assumption and says so. A building's own map (Building.function_map, patterns with *) goes first.
Source of the default factors: IBC 2021 Table 1004.5 (seen in secondary sources), of the groups: IBC chapter 3.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, NamedTuple


@dataclass(frozen=True, slots=True)
class LoadFactor:
    """`area` m² of floor for each person, of the net or gross area."""

    area: float
    basis: str = "gross"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceFunction:
    """circulation: people walk through it to get out. occupied: people are counted in it. habitable: people stay in it. passable.

    One can walk in it at all.
    words: what it is called in models, lower case without accents; longer words win over shorter ones.
    """

    name: str
    title: str
    words: tuple[str, ...]
    factor: LoadFactor | None = None
    occupancy: str = ""
    circulation: bool = False
    occupied: bool = True
    habitable: bool = False
    passable: bool = True


class Mapped(NamedTuple):
    function: str
    confidence: float  # 0 to 1
    why: str


class Suggestion(NamedTuple):
    """A proposal for Building.function_map. `spaces`: how many spaces have the name; `others`: the next best functions."""

    name: str
    spaces: int
    function: str
    confidence: float
    why: str
    others: tuple[str, ...] = ()


def _list(words: str) -> tuple[str, ...]:
    return tuple(words.split(", "))


def _circulation(name: str, title: str, words: str) -> SpaceFunction:
    return SpaceFunction(name=name, title=title, words=_list(words), circulation=True, occupied=False)


def _unoccupied(name: str, title: str, words: str, *, passable: bool = True) -> SpaceFunction:
    return SpaceFunction(name=name, title=title, words=_list(words), occupied=False, passable=passable)


def _used(name: str, title: str, area: float, basis: str, occupancy: str, words: str, *, habitable: bool = True) -> SpaceFunction:
    return SpaceFunction(name=name, title=title, words=_list(words), factor=LoadFactor(area, basis), occupancy=occupancy, habitable=habitable)


_ALL: Final = (
    _circulation(
        "corridor",
        "Corridor",
        "corridor, hallway, passage, passageway, flur, korridor, gang, couloir, pasillo, corridoio, gangway, galleria, hall way, walkway, "
        "circulation, verkehrsflache, degagement, circulatie, korytarz, korridoren",
    ),
    _circulation(
        "lobby",
        "Lobby",
        "lobby, foyer, vestibule, entrance, entrance hall, entry, vorraum, eingang, eingangshalle, diele, windfang, elevator lobby, hall, "
        "entree, vestibulo, atrio, airlock, schleuse, landing, vorplatz, halle",
    ),
    _circulation(
        "exit_stair",
        "Exit stair",
        "stair, stairs, staircase, stairwell, stairway, exit stair, fire stair, treppe, treppenhaus, treppenraum, escalier, cage d "
        "escalier, escalera, scala, vano scala, trappenhuis, trapphus, stairhall, klatka schodowa",
    ),
    _unoccupied(
        "elevator",
        "Elevator",
        "elevator, lift, aufzug, ascenseur, ascensor, elevator shaft, lift shaft, aufzugsschacht",
        passable=False,
    ),
    _unoccupied(
        "shaft",
        "Shaft",
        "shaft, riser, duct, schacht, gaine, void, luftraum, chase, installationsschacht",
        passable=False,
    ),
    _unoccupied(
        "toilet",
        "Toilet room",
        "toilet, toilets, wc, restroom, washroom, lavatory, bathroom, bath, bad, sanitar, dusche, shower, wet room, toilette, toilettes, "
        "aseo, bagno, water closet, powder room, ensuite, badezimmer, sanitary, accessible toilet, men s, women s, herren, damen, mens, "
        "womens, salle de bain, douche, bano",
    ),
    _used(
        "storage_mechanical",
        "Storage, mechanical equipment",
        27.87,
        "gross",
        "S-2",
        "storage, store, storeroom, store room, closet, mechanical, electrical, plant, plant room, technik, lager, abstellraum, server, "
        "server room, cleaner, janitor, jc, utility, equipment, boiler, haustechnik, technikraum, local technique, rangement, almacen, "
        "deposito, archive, archiv, telecom, data, it room, meter, pump, hausanschlussraum, heizung, keller, cellar, refuse, waste, mull, "
        "garbage, pantry, laundry, waschkuche, mech, elec, abstell, putzraum, hwr, hauswirtschaftsraum, comms, switch room, tank, ahu",
        habitable=False,
    ),
    _used(
        "business",
        "Offices, business",
        13.94,
        "gross",
        "B",
        "office, offices, open office, buro, bureau, oficina, ufficio, kantoor, workspace, work room, work area, admin, administration, "
        "reception, consult, consulting, consultation, exam, exam room, examination, treatment, copy room, copy, manager, secretary, "
        "clinic, practice, lab, laboratory, labor, study room, workstation, workstations, interview, empfang, arbeitsraum, sekretariat, "
        "praxis, director, nurse station, staff, call center, bank, kontor",
    ),
    _used(
        "assembly_tables",
        "Assembly with tables and chairs",
        1.39,
        "net",
        "A-3",
        "meeting, meeting room, conference, conference room, besprechung, besprechungsraum, seminar, training room, training, sitzung, "
        "sitzungszimmer, reunion, salle de reunion, sala riunioni, board room, boardroom, break room, lounge, common room, canteen, "
        "cafeteria, dining, dining room, restaurant, bar, cafe, kantine, speisesaal, aufenthaltsraum, refectory, staff room, lunch, "
        "multipurpose, function room, mensa, huddle, collaboration, vergaderzaal, gastraum",
    ),
    _used(
        "assembly_chairs",
        "Assembly with chairs only",
        0.65,
        "net",
        "A-3",
        "auditorium, lecture, lecture hall, theatre, theater, cinema, chapel, worship, church, horsaal, aula, saal, amphitheatre, "
        "auditorio, court room, courtroom",
    ),
    _used(
        "assembly_standing",
        "Standing space",
        0.465,
        "net",
        "A-3",
        "waiting, waiting room, waiting area, queue, wartebereich, wartezimmer, wartezone, salle d attente, prefunction, standing",
    ),
    _used(
        "classroom",
        "Classroom",
        1.86,
        "net",
        "E",
        "classroom, class room, class, teaching, klassenzimmer, klassenraum, unterrichtsraum, salle de classe, aula docente, classe, "
        "lesson, nursery, kindergarten, daycare, playroom, lehrraum",
    ),
    _used(
        "library_reading",
        "Library reading room",
        4.65,
        "net",
        "A-3",
        "library, reading room, bibliothek, bibliotheque, biblioteca, leseraum",
    ),
    _used(
        "mercantile",
        "Shop",
        5.57,
        "gross",
        "M",
        "shop, retail, sales, sales area, store front, supermarket, verkauf, laden, verkaufsraum, magasin, tienda, negozio, boutique, "
        "showroom, mercantile, pharmacy, market, kiosk",
    ),
    _used(
        "exercise",
        "Exercise room",
        4.65,
        "gross",
        "A-3",
        "gym, gymnasium, fitness, exercise, turnhalle, sport, sporthalle, yoga, dance",
    ),
    _used(
        "kitchen_commercial",
        "Commercial kitchen",
        18.58,
        "gross",
        "F-1",
        "commercial kitchen, grosskuche, cuisine professionnelle, kitchen production, food preparation, servery, scullery",
        habitable=False,
    ),
    _used(
        "parking",
        "Parking",
        18.58,
        "gross",
        "S-2",
        "parking, garage, car park, parkplatz, tiefgarage, parkhaus, carport, stellplatz, aparcamiento, parcheggio",
        habitable=False,
    ),
    _used(
        "warehouse",
        "Warehouse",
        46.45,
        "gross",
        "S-1",
        "warehouse, lagerhalle, entrepot, logistics, loading, loading dock, dock, anlieferung",
        habitable=False,
    ),
    _used(
        "industrial",
        "Industrial area",
        9.29,
        "gross",
        "F-1",
        "workshop, werkstatt, atelier, production, produktion, factory, assembly line, manufacturing, fabrication, taller, officina",
    ),
    _used(
        "dwelling",
        "Dwelling",
        18.58,
        "gross",
        "R-2",
        "bedroom, living, living room, kitchen, apartment, flat, dwelling, wohnzimmer, schlafzimmer, kuche, zimmer, wohnen, schlafen, "
        "kind, kinderzimmer, eltern, essen, kochen, chambre, sejour, cuisine, salon, dormitorio, cocina, camera, soggiorno, cucina, guest "
        "room, hotel room, study, den, family room, master bedroom, wohnung, appartement, slaapkamer, woonkamer, keuken, unit, suite, "
        "gastezimmer, wohn, ess, arbeitszimmer, livingroom, bed room",
    ),
    _used(
        "sleeping_institutional",
        "Sleeping area of an institution",
        11.15,
        "gross",
        "I-2",
        "patient, patient room, ward, bettenzimmer, patientenzimmer, icu, recovery, inpatient",
    ),
    _used(
        "locker_room",
        "Locker room",
        4.65,
        "gross",
        "B",
        "locker, locker room, changing, changing room, umkleide, garderobe, vestiaire, cloakroom, cloaks, vestuario, spogliatoio, "
        "dressing, dressing room, ankleide",
        habitable=False,
    ),
    _unoccupied(
        "outside",
        "Outside",
        "terrace, balcony, balkon, terrasse, loggia, terraza, roof terrace, courtyard, exterior, patio, garden, dachterrasse, innenhof, "
        "hof, porch, deck, balcon",
    ),
)
FUNCTIONS: Final[Mapping[str, SpaceFunction]] = {function.name: function for function in _ALL}
DEFAULT_FACTORS: Final[dict[str, LoadFactor]] = {function.name: function.factor for function in _ALL if function.factor}

# The first digits of OmniClass Table 13 (spaces by function), and of the German DIN 277 areas.
_CODES: Final[Mapping[str, str]] = {
    "13-25 1": "corridor",
    "13-85 11": "corridor",
    "13-85 15": "exit_stair",
    "13-55 11": "business",
    "13-55 29": "assembly_tables",
    "13-31 13": "classroom",
    "13-57 13": "mercantile",
    "13-63 13": "storage_mechanical",
    "13-61 11": "parking",
    "VF": "corridor",
    "TF": "storage_mechanical",
}
CIRCULATION: Final = frozenset(name for name, function in FUNCTIONS.items() if function.circulation)
_WORD: Final = re.compile(r"[a-z]+")
_BY_WORD: Final[Mapping[str, str]] = {word: function.name for function in _ALL for word in function.words}
_LONGEST: Final = max(word.count(" ") + 1 for word in _BY_WORD)
_EXACT, _CONTAINS, _PREFIX, _CODE = 0.95, 0.8, 0.6, 0.7


def function_of(names: Sequence[str], function_map: Mapping[str, str], codes: Sequence[str] = ()) -> Mapped | None:
    """The function of a space by its names (the most telling first) or classification codes; None when nothing fits."""
    for name in names:
        mapped = _by_map(name, function_map)
        if mapped:
            return mapped
    found = [mapped for name in names if (mapped := by_words(name))]
    if found:
        return max(found, key=lambda mapped: mapped.confidence)
    return next((mapped for code in codes if (mapped := _by_code(code))), None)


def _by_map(name: str, function_map: Mapping[str, str]) -> Mapped | None:
    folded = name.strip().lower()
    exact = {pattern.lower(): function for pattern, function in function_map.items()}
    if folded in exact:
        return Mapped(exact[folded], 1.0, f"the building's map names “{name}”")
    for pattern in sorted(exact, key=lambda one: (-len(one), one)):
        if folded and fnmatchcase(folded, pattern):
            return Mapped(exact[pattern], 1.0, f"the building's map has “{pattern}”")
    return None


@lru_cache(maxsize=4096)
def by_words(name: str) -> Mapped | None:
    """By the words of a name: "Flur EG 01" is a corridor.

    Later and longer words tell more ("Office corridor" is a corridor, "Stair lobby" a lobby).
    """
    words = _WORD.findall(_plain(name))
    best: tuple[int, int, str] | None = None
    for length in range(min(_LONGEST, len(words)), 0, -1):
        for start in range(len(words) - length, -1, -1):
            phrase = " ".join(words[start : start + length])
            if phrase in _BY_WORD and (best is None or length > best[0]):
                best = (length, start, phrase)
    if best:
        confidence = _EXACT if best[0] == len(words) else _CONTAINS
        return Mapped(_BY_WORD[best[2]], confidence, f"“{name}” contains “{best[2]}”")
    return _by_compound(name, words)


def _by_compound(name: str, words: Sequence[str]) -> Mapped | None:
    """Compounds are written in one word in German and Dutch: the end of a word tells what it is ("Kellerflur"), its beginning less so ("Büro1OG")."""
    known = sorted((word for word in _BY_WORD if len(word) > 3 and " " not in word), key=lambda word: (-len(word), word))
    for fits in (str.endswith, str.startswith):
        for word in known:
            if any(fits(one, word) for one in words):
                return Mapped(_BY_WORD[word], _PREFIX, f"“{name}” has “{word}” in it")
    return None


def _by_code(code: str) -> Mapped | None:
    for start in sorted(_CODES, key=len, reverse=True):
        if code.strip().startswith(start):
            return Mapped(_CODES[start], _CODE, f"its classification is {code}")
    return None


def _plain(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFKD", text.lower().replace("ß", "ss")) if not unicodedata.combining(one))


def suggest(names: Iterable[str], function_map: Mapping[str, str] | None = None) -> list[Suggestion]:
    """A function for every distinct name that the map does not have yet, the most frequent names first. No idea: function "", confidence 0."""
    counts = Counter(name.strip() for name in names if name.strip())
    missing = [name for name in counts if not _by_map(name, function_map or {})]
    return sorted((_suggestion(name, counts[name]) for name in missing), key=lambda one: (-one.spaces, -one.confidence, one.name))


def _suggestion(name: str, spaces: int) -> Suggestion:
    close = _close(name)
    mapped = by_words(name) or (close[0] if close else None)
    if mapped is None:
        return Suggestion(name, spaces, "", 0.0, "nothing like it is known")
    others = tuple(dict.fromkeys(one.function for one in close if one.function != mapped.function))
    return Suggestion(name, spaces, mapped.function, mapped.confidence, mapped.why, others[:3])


def _close(name: str) -> list[Mapped]:
    """Words that are nearly written like it: typing mistakes and endings."""
    from rapidfuzz import fuzz, process

    words = " ".join(_WORD.findall(_plain(name)))
    found = (
        process.extract(words, [word for word in _BY_WORD if len(word) > 3], scorer=fuzz.ratio, limit=4, score_cutoff=75) if len(words) > 3 else []
    )
    return [Mapped(_BY_WORD[word], round(score / 200, 2), f"“{name}” is nearly “{word}”") for word, score, _ in found]
