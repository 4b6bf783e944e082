"""Word lists the made-up businesses, people and messages are drawn from. Nothing here is real."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Region:
    """How businesses and people of one country are named and found."""

    country: str
    dial: str
    suffixes: tuple[str, ...]
    firsts: tuple[str, ...]
    lasts: tuple[str, ...]
    cities: tuple[tuple[str, str], ...]
    streets: tuple[str, ...]
    language: str


REGIONS: tuple[Region, ...] = (
    Region(
        "DE",
        "+49",
        ("GmbH", "AG", "KG", "GmbH & Co. KG", "eG"),
        ("Ida", "Jörg", "Anke", "Matthias", "Käthe", "Björn", "Sabine", "Til", "Heike", "Uwe"),
        ("Petersen", "Müller", "Schröder", "Weiß", "Krüger", "Großmann", "Lüdtke", "Voß"),
        (("Hamburg", "20457"), ("Köln", "50667"), ("Leipzig", "04109"), ("München", "80331")),
        ("Hafenweg", "Lindenstraße", "Am Alten Markt", "Gerberstraße"),
        "de",
    ),
    Region(
        "FR",
        "+33",
        ("SARL", "SAS", "SA", "et Fils"),
        ("Zoé", "Anaïs", "François", "Benoît", "Chloé", "Rémi", "Hélène", "Gaël"),
        ("Lefèvre", "Dubois", "Gauthier", "Mercier", "Pélissier", "Rousseau", "Forêt"),
        (("Lyon", "69002"), ("Nantes", "44000"), ("Besançon", "25000"), ("Paris", "75011")),
        ("rue des Tanneurs", "quai de l'Île", "avenue de la Gare", "place d'Armes"),
        "fr",
    ),
    Region(
        "GB",
        "+44",
        ("Ltd", "Limited", "plc", "& Sons", "LLP"),
        ("Amy", "Oliver", "Siân", "Harriet", "Callum", "Niamh", "George", "Priya", "Imogen"),
        ("O'Connor", "Ashworth", "Llewellyn", "Fairfax", "Bhatt", "Thwaite", "Pemberton"),
        (("Leeds", "LS1 4AP"), ("Bristol", "BS1 5TR"), ("Cardiff", "CF10 1EP")),
        ("Mill Lane", "Wharf Road", "St James's Street", "Foundry Row"),
        "en",
    ),
    Region(
        "US",
        "+1",
        ("Inc.", "LLC", "Corp.", "& Co."),
        ("Dana", "Marcus", "Renée", "Tyrone", "Lupe", "Skyler", "José", "Wanda"),
        ("Whitfield", "Nakamura", "Ortiz-Lane", "Beauchamp", "Kowalczyk", "Freeman"),
        (("Portland", "97204"), ("Duluth", "55802"), ("Savannah", "31401")),
        ("Front Street", "Orchard Avenue", "Elm Street NW", "Harbor Drive"),
        "en",
    ),
    Region(
        "PL",
        "+48",
        ("Sp. z o.o.", "S.A.", "i Wspólnicy"),
        ("Łukasz", "Małgorzata", "Józef", "Żaneta", "Paweł", "Agnieszka"),
        ("Żółtowski", "Wiśniewska", "Dąbrowski", "Świątek", "Kaczmarek"),
        (("Gdańsk", "80-001"), ("Kraków", "31-042"), ("Łódź", "90-001")),
        ("ul. Młyńska", "ul. Długa", "al. Kościuszki"),
        "en",
    ),
    Region(
        "IS",
        "+354",
        ("hf.", "ehf."),
        ("Þóra", "Björk", "Sæmundur", "Ásgeir", "Guðrún"),
        ("Jónsdóttir", "Þorvaldsson", "Ægisson", "Óskarsdóttir"),
        (("Reykjavík", "101"), ("Akureyri", "600")),
        ("Hafnargata", "Skólavörðustígur"),
        "en",
    ),
    Region(
        "JP",
        "+81",
        ("株式会社", "K.K.", "合同会社"),
        ("陽子", "Kenji", "美咲", "Haruka", "大輔"),
        ("田中", "Ōsawa", "佐藤", "Inoue", "高橋"),
        (("Osaka", "530-0001"), ("京都", "604-8005")),
        ("御堂筋", "Karasuma-dōri"),
        "en",
    ),
)

STEMS = (
    "Nordwind", "Kaltwasser", "Silberbach", "Tannhof", "Brückner", "Falkenau", "Moorland",
    "Belleroche", "Clairval", "Montfleury", "Étoile", "Châtelet", "Rivage", "Ashdown",
    "Blackthorn", "Copperfield", "Dunmore", "Eastbrook", "Fernhill", "Greywater", "Hollins",
    "Ironbridge", "Kestrel", "Larkspur", "Marlowe", "Northgate", "Oakhaven", "Pinecrest",
    "Quarry", "Redfern", "Saltmarsh", "Thornbury", "Underhill", "Westerly", "Yarrow",
    "Zephyr", "Bluebird", "Cascade", "Driftwood", "Evergreen", "Łabędź", "Zielony", "Wisła",
    "Hrafn", "Jökull", "Sakura", "Hinode", "Kawa", "Aurora", "Borealis",
)  # fmt: skip

TRADES = (
    "Logistik", "Fahrräder", "Werkzeugbau", "Optik", "Transports", "Menuiserie", "Vignobles",
    "Imprimerie", "Brewing", "Textiles", "Analytics", "Joinery", "Marine", "Foods", "Robotics",
    "Optics", "Publishing", "Energy", "Ceramics", "Instruments", "Architects", "Clinics",
)  # fmt: skip

TITLES = (
    "CEO", "CFO", "Head of Purchasing", "Geschäftsführerin", "Einkauf", "Directeur général",
    "Responsable achats", "Operations Manager", "IT Lead", "Accountant", "Sales Director",
)  # fmt: skip

DEALS = (
    "Fleet contract", "Spare parts frame order", "Rollout phase 2", "Annual maintenance",
    "Pilot line", "Werkstattausrüstung", "Rahmenvertrag Ersatzteile", "Renouvellement du parc",
    "Contrat d'entretien", "Training days", "Warehouse extension", "Spring campaign",
)  # fmt: skip

PRODUCTS: tuple[tuple[str, str, float], ...] = (
    ("Inspection", "Service", 137.5),
    ("Wartung Jahrespaket", "Service", 890.0),
    ("Training day", "Service", 1150.0),
    ("Consulting hour", "Service", 142.0),
    ("On-site repair", "Service", 96.5),
    ("Express surcharge", "Service", 25.0),
    ("Cargo bike CB-3", "Inventory", 4290.0),
    ("Battery pack 48 V", "Inventory", 649.9),
    ("Brake set", "NonInventory", 58.4),
    ("Wheel 20″", "Inventory", 119.0),
    ("Display unit", "Inventory", 84.75),
    ("Chain & sprocket kit", "NonInventory", 44.2),
    ("Helm Größe M", "Inventory", 69.0),
    ("Antivol renforcé", "Inventory", 39.9),
    ("Telematics subscription", "Service", 12.9),
    ("Spare key", "NonInventory", 9.5),
    ("Lastenbox", "Inventory", 310.0),
    ("Paint job", "Service", 245.0),
    ("Pick-up & delivery", "Service", 60.0),
    ("Old frame (discontinued)", "NonInventory", 500.0),
)

CHANNELS = (
    "allgemein", "random", "verkauf", "support", "produktion", "buchhaltung", "it-hilfe",
    "marketing", "lager", "projekt-nordsee",
)  # fmt: skip

MESSAGES = (
    "Guten Morgen zusammen ☀️",
    "The delivery for {business} is on its way 🚚",
    "Hat jemand die Rechnung R-{number} gesehen?",
    "Signed! 🎉 {business} takes {number} units",
    "<@{user}> can you look at ticket {number}?",
    "Le devis pour {business} est parti ce matin.",
    "Reminder: stock count on Friday, please note <@{user}>",
    "Please call back: <tel:+49405550{number}|+49 40 5550 {number}>",
    "見積もりを送りました 👍🏽",
    "Notes are here: <https://wiki.example/notes/{number}|meeting notes>",
    "Köln meldet {number} Retouren – bitte prüfen & bestätigen",
    "`ERR-{number}` again after the update :thinking_face:",
    "Kaffeemaschine ist wieder da ☕ 👨‍👩‍👧",
    "{business} asked to move the date by a week",
)

REPLIES = (
    "Done ✅",
    "Danke!",
    "I'll take it.",
    "Moment, ich frage nach …",
    "Oui, c'est envoyé 👍",
    "Can we move this to tomorrow?",
    "+1",
    "Erledigt, siehe {number}.",
)
