"""The steps of setting an identity provider up, in the words of its own screens; `{...}` are this tenant's values."""

from collections.abc import Sequence
from dataclasses import dataclass

FLAG = "?aadOptscim062020"
"""Makes Entra write PATCH as the RFC has it."""


@dataclass(frozen=True)
class Step:
    """One step: what to do, and on which screen; `fields` are what is entered there, by the screen's names."""

    title: str
    screen: str
    text: str
    fields: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class Guide:
    """How one identity provider is set up."""

    name: str
    url_label: str
    secret_label: str
    url_suffix: str
    steps: Sequence[Step]


ENTRA = Guide(
    name="Microsoft Entra ID",
    url_label="Tenant URL",
    secret_label="Secret Token",  # noqa: S106 - the label of a field.
    url_suffix=FLAG,
    steps=(
        Step(
            "Make the application",
            "Entra admin center > Enterprise applications > New application > Create your own application",
            "Name it, choose “Integrate any other application you don't find in the gallery (Non-gallery)”, and press "
            "Create.",
        ),
        Step(
            "Enter the credentials",
            "Your application > Provisioning > New configuration (older screens: Provisioning Mode: Automatic > "
            "Admin Credentials)",
            "Paste both values, and press Test connection. Then press Create, or Save.",
            (("Tenant URL", "{url}"), ("Secret Token", "{secret}")),
        ),
        Step(
            "Look at the mappings",
            "Provisioning > Attribute mapping > Provision Microsoft Entra ID Users, and … Groups",
            "The defaults fit. Leave the matching on userName and displayName.",
        ),
        Step(
            "Assign people and groups",
            "Your application > Users and groups > Add user/group",
            "Choose who shall be in the staff portal. Groups become roles. Nested groups are not expanded by Entra.",
        ),
        Step(
            "Try one person",
            "Provisioning > Provision on demand",
            "Choose one user and press Provision. The user appears under Employees within seconds.",
        ),
        Step(
            "Start",
            "Provisioning > Overview > Start provisioning",
            "The first cycle begins at once; after it Entra comes again about every 40 minutes.",
        ),
    ),
)
OKTA = Guide(
    name="Okta",
    url_label="SCIM connector base URL",
    secret_label="API Token",  # noqa: S106 - the label of a field.
    url_suffix="",
    steps=(
        Step(
            "Make the application",
            "Admin Console > Applications > Applications > Create App Integration",
            "Choose SAML 2.0 or SWA, name it, and finish the wizard. (From the catalogue “SCIM 2.0 Test App (Header "
            "Auth)” works too.)",
        ),
        Step(
            "Switch provisioning on",
            "Your application > General > App Settings > Edit",
            "Choose SCIM under Provisioning, and press Save. There is a tab Provisioning now.",
        ),
        Step(
            "Enter the connection",
            "Provisioning > Integration > Edit",
            "Enter the values, press Test Connector Configuration, then Save.",
            (
                ("SCIM connector base URL", "{url}"),
                ("Unique identifier field for users", "userName"),
                ("Supported provisioning actions", "Push New Users, Push Profile Updates, Push Groups"),
                ("Authentication Mode", "HTTP Header"),
                ("Authorization: Bearer", "{secret}"),
            ),
        ),
        Step(
            "Say what Okta may do",
            "Provisioning > To App > Edit",
            "Tick Create Users, Update User Attributes and Deactivate Users, and press Save.",
        ),
        Step(
            "Assign people",
            "Your application > Assignments > Assign",
            "Assign people or groups. Each appears under Employees within seconds.",
        ),
        Step(
            "Push groups",
            "Your application > Push Groups > Push Groups",
            "Find groups by name, and press Save. They become roles with their members.",
        ),
    ),
)
GUIDES = {"entra": ENTRA, "okta": OKTA}
