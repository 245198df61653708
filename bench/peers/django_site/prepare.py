"""Make the tables, with SEED_USERS people and a group for each number in SEED_GROUPS, with so many members."""

import os

import django
from django.core.management import call_command
from django.db import connection

PEOPLE = """
INSERT INTO django_site_user (username, first_name, last_name, email, password, is_superuser, is_staff, is_active,
                              date_joined, scim_id, scim_external_id, scim_username)
SELECT 'seeded' || n || '@bench.example', 'Person', n::text, 'seeded' || n || '@bench.example', '!', false, false, true,
       now(), n::text, 'seeded-' || n, 'seeded' || n || '@bench.example'
FROM generate_series(1, %s) n
"""
GROUPS = """
INSERT INTO django_site_group (id, name, scim_id, scim_external_id, scim_display_name)
VALUES (%(size)s, %(name)s, %(size)s::text, '', %(name)s)
"""
MEMBERS = """
INSERT INTO django_site_user_scim_groups (user_id, group_id) SELECT n, %(size)s FROM generate_series(1, %(size)s) n
"""


def main() -> None:
    """Make everything, and let PostgreSQL know what it has."""
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE, [int(os.environ["SEED_USERS"])])
        for size in map(int, os.environ["SEED_GROUPS"].split()):
            cursor.execute(GROUPS, {"size": size, "name": f"Group {size}"})
            cursor.execute(MEMBERS, {"size": size})
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


main()
