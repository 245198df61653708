"""The words that the made-up company is made of."""

# ruff: noqa: RUF001 - the letters that look like others are here on purpose.

from dataclasses import dataclass

GIVEN_NAMES = (
    *("Anna", "Aoife", "Zoë", "José", "Björn", "Łucja", "Søren", "Chloé", "Jürgen", "Nuño", "Ibrahim", "Priya"),
    *("Mei-Ling", "Jean-Luc", "Anne-Marie", "Oluwaseun", "Siobhán", "Dmitri", "Élodie", "Gülşen", "Haruto", "Ingrid"),
    *("Kwame", "Leïla", "Matteo", "Noor", "Oskar", "Paulína", "Quentin", "Renée", "Šimon", "Tomás", "Ursula"),
    *("Viktória", "Wanjiru", "Xavier", "Yara", "Žofia", "Ayşe", "Benoît", "Camila", "Dwayne", "Eszter", "François"),
    *("陽子", "Владимир", "Ελένη", "Hannah", "Michael", "Susan", "David", "Linda"),
)
FAMILY_NAMES = (
    *("O'Brien", "D'Angelo", "García-López", "Müller", "Sørensen", "Nowák", "Öztürk", "Smith-Jones", "van der Berg"),
    *("Kowalczyk", "Fernández", "Lefèvre", "Håkansson", "Nguyễn", "Okafor", "Petrović", "Rossi", "Šťastná", "Tanaka"),
    *("Ivanova", "Weiß", "O'Neill", "N'Diaye", "Yıldız", "Castellanos", "de la Cruz", "Eriksson", "Farkaş", "Goldberg"),
    *("Haddad", "Iversen", "Jovanović", "Kim", "Lindqvist", "MacDonald", "Novotný", "Ólafsdóttir", "Papadopoulos"),
    *("Quinn", "Ramírez", "St. John", "Tremblay", "Umarov", "Vasquez", "Wójcik", "Xu", "Young", "Zimmermann"),
    *("山田", "Соколов", "Brown", "Patel", "Miller", "Chen"),
)
# What Unicode does not decompose into an ASCII letter and a mark: letters, and names in other scripts.
ASCII_LETTERS = {"ß": "ss", "ø": "oe", "Ø": "Oe", "ł": "l", "Ł": "L", "ı": "i", "đ": "d", "æ": "ae"}
ASCII_NAMES = {"陽子": "Yoko", "山田": "Yamada", "Владимир": "Vladimir", "Соколов": "Sokolov", "Ελένη": "Eleni"}
DEPARTMENTS = {
    "Sales": ("Account Executive", "Sales Engineer", "Regional Sales Lead", "Inside Sales"),
    "Engineering": ("Software Engineer", "Site Reliability Engineer", "Staff Engineer", "QA Analyst"),
    "Finance": ("Controller", "Accountant", "Payroll Specialist", "Treasury Analyst"),
    "People & Culture": ("Recruiter", "HR Partner", "Learning Designer"),
    "Customer Support": ("Support Agent", "Support Lead", "Knowledge Editor"),
    "Legal": ("Counsel", "Paralegal", "Privacy Officer"),
    "R&D": ("Research Scientist", "Lab Technician", "Patent Liaison"),
    "Logistics": ("Dispatcher", "Warehouse Lead", "Fleet Coördinator"),
    "Marketing": ("Copywriter", "Brand Designer", "Campaign Planner"),
    "Facilities": ("Site Caretaker", "Reception", "Safety Officer"),
}
GROUP_ROLES = ("Readers", "Editors", "Approvers", "Contributors", "Owners", "Auditors", "Operators", "Guests")
COMPANY_NAMES = ("Northwind", "Fjordlight", "Blåvand", "Contoso", "Tailspin", "Litware", "Adatum", "Proseware")


@dataclass(frozen=True, kw_only=True)
class City:
    """A place where people work: what an address and a phone number there look like."""

    name: str
    region: str
    country: str
    postal: str
    dial: str
    locale: str
    street: str


# In `postal`, `dial` and `street` every # becomes a digit.
CITIES = (
    City(
        name="København",
        region="Hovedstaden",
        country="DK",
        postal="####",
        dial="+45 ## ## ## ##",
        locale="da-DK",
        street="Nørrebrogade ##",
    ),
    City(
        name="Zürich",
        region="ZH",
        country="CH",
        postal="80##",
        dial="+41 44 ### ## ##",
        locale="de-CH",
        street="Löwenstraße ##",
    ),
    City(
        name="München",
        region="Bayern",
        country="DE",
        postal="80###",
        dial="+49 89 #######",
        locale="de-DE",
        street="Türkenstraße ##",
    ),
    City(
        name="Kraków",
        region="Małopolskie",
        country="PL",
        postal="30-###",
        dial="+48 12 ### ## ##",
        locale="pl-PL",
        street="ul. Świętego Jana ##",
    ),
    City(
        name="São Paulo",
        region="SP",
        country="BR",
        postal="01###-###",
        dial="+55 11 ####-####",
        locale="pt-BR",
        street="Rua Líbero Badaró, ###",
    ),
    City(
        name="Montréal",
        region="QC",
        country="CA",
        postal="H2Y #A#",
        dial="+1 514 555 01##",
        locale="fr-CA",
        street="## rue de l'Église",
    ),
    City(
        name="Cork",
        region="Munster",
        country="IE",
        postal="T12 X###",
        dial="+353 21 ### ####",
        locale="en-IE",
        street="## St. Patrick's Quay",
    ),
    City(
        name="Austin",
        region="TX",
        country="US",
        postal="787##",
        dial="+1 512 555 01##",
        locale="en-US",
        street='#### "Old" Mill Rd, Suite ##',
    ),
    City(
        name="東京",
        region="東京都",
        country="JP",
        postal="100-####",
        dial="+81 3 #### ####",
        locale="ja-JP",
        street="丸の内 #-#",
    ),
    City(
        name="İzmir",
        region="Ege",
        country="TR",
        postal="35###",
        dial="+90 232 ### ## ##",
        locale="tr-TR",
        street="Kıbrıs Şehitleri Cd. ##",
    ),
)
