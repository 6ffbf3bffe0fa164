"""What the browser finds: the starter rules, the demo project with a building that has no model yet, and two people. A process of its own."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp_platform.settings")

import django

OWNER, OFFICIAL, PASSWORD, TENANT = "ada", "olga", "correct horse battery staple", "office"
NAMES = {OWNER: ("Ada", "Architect"), OFFICIAL: ("Olga", "Official")}


def build() -> None:
    from demo import building
    from mcp_platform.tenancy import queries, scope
    from mcp_platform.tenancy import services as tenancy
    from mcp_platform.tenancy.models import Role, User

    with scope.platform_scope():
        people = {
            name: User.objects.create_user(name, f"{name}@example.com", PASSWORD, is_staff=True, first_name=first, last_name=last)
            for name, (first, last) in NAMES.items()
        }
        tenant = tenancy.create_tenant(slug=TENANT, name="Office", owner=people[OWNER])
        tenancy.add_member(tenant, user=people[OFFICIAL], role=Role.CODE_OFFICIAL, by=None)
        building.prepare(tenant, queries.principal_of_user(people[OWNER], tenant), print)


if __name__ == "__main__":
    django.setup()
    build()
