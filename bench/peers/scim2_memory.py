"""scim2-server behind scim2-flask, with its own storage: everything is in memory, and gone with the process.

SEED_USERS people and a group for each number in SEED_GROUPS, with so many members, are there from the start.
"""

import os

from flask import Flask, abort, request
from scim2_flask import ScimServer
from scim2_models import Email, EnterpriseUser, Group, GroupMember, Name, Resource, ResourceType, ScimProvider, User
from scim2_server.memory import InMemoryStorage
from scim2_server.utils import load_default_service_provider_config

Person = User[EnterpriseUser]


class Storage(InMemoryStorage):
    """Its own storage, with ids that the bench can know beforehand."""

    wanted: str | None = None

    def generate_id(self, resource_type: ResourceType, resource: Resource) -> str:
        return self.wanted or super().generate_id(resource_type, resource)


def create() -> Flask:
    """Return the application, with what it begins with."""
    app = Flask(__name__)
    app.secret_key = "of the bench"  # noqa: S105 - signs cursors of made-up people.
    storage = Storage()
    provider = ScimProvider(
        models=[User, EnterpriseUser, Group],
        resource_types=[ResourceType.from_resource(each) for each in (Person, Group)],
        config=load_default_service_provider_config(),
    )
    server = ScimServer(storage, provider, url_prefix="/scim/v2")
    server.init_app(app)
    _seed(storage, server)
    expected = f"Bearer {os.environ['TOKEN']}"

    @app.before_request
    def authenticate() -> None:
        if request.headers.get("Authorization") != expected:
            abort(401)

    return app


def _seed(storage: Storage, server: ScimServer) -> None:
    users, groups = (
        next(each for each in server.provider.resource_types if each.name == name) for name in ("User", "Group")
    )
    for number in range(1, int(os.environ["SEED_USERS"]) + 1):
        storage.wanted = f"{number:032x}"
        storage.create(users, _person(number))
    for size in map(int, os.environ["SEED_GROUPS"].split()):
        storage.wanted = f"group-{size}"
        members = [GroupMember(value=f"{number:032x}") for number in range(1, size + 1)]
        storage.create(groups, Group(display_name=f"Group {size}", members=members))
    storage.wanted = None


def _person(number: int) -> Person:
    name = f"seeded{number}@bench.example"
    person = Person(
        external_id=f"seeded-{number}",
        user_name=name,
        active=True,
        display_name=f"Person {number}",
        name=Name(given_name="Person", family_name=str(number)),
        title="Measurer",
        emails=[Email(value=name, type="work", primary=True)],
    )
    person[EnterpriseUser] = EnterpriseUser(department="Bench", employee_number=str(number))
    return person


app = create()
