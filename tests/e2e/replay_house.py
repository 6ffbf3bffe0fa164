"""What the browser finds: a tenant whose flow has 1,000 stored conversations, and a draft with two changes. A process of its own."""

import os
import random

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp_platform.settings")

import django

USER, PASSWORD, TENANT = "ada", "correct horse battery staple", "office"
STORED = int(os.environ.get("REPLAY_CONVERSATIONS", "1000"))


def build() -> None:
    from conversations import services as talking
    from demo.permit_desk import CODES, INTEGRATION, PERMIT_DESK
    from flows import services
    from mcp_platform.tenancy import scope
    from mcp_platform.tenancy import services as tenancy
    from mcp_platform.tenancy.models import User

    with scope.platform_scope():
        User.objects.create_superuser(USER, "ada@example.com", PASSWORD)
        tenant = tenancy.create_tenant(slug=TENANT, name="Office")
        services.save_integration(tenant, integration_id=CODES, fields=INTEGRATION, create=True, by=None)
        services.import_flow(tenant, document=PERMIT_DESK, by=None)
        services.publish(tenant, flow_id="permit_desk", by=None)
        dice = random.Random(7)  # the same conversations every time
        for number in range(STORED):
            begun = talking.start(tenant, flow_id="permit_desk", user_ref=f"visitor-{number:04d}")
            facts = dice.choice(["An office in Germany", "A school in England"])
            lines = [facts, dice.choice(["12", "160", "3"]), "yes", dice.choice(["no thanks", "hm"]), "5"]
            for line in lines:
                talking.process_message(tenant, conversation_id=begun.conversation_id, content={"type": "text", "text": line})
        document = services.draft_document(services.update_flow(tenant, flow_id="permit_desk", fields={}, by=None))
        document["slots"] = {**document["slots"], "storeys": {**document["slots"]["storeys"], "maximum": 150}}
        document["states"]["done"]["config"]["response_templates"]["en"] = "Good luck with your application."
        services.save_draft(tenant, flow_id="permit_desk", document=document, by=None)


if __name__ == "__main__":
    django.setup()
    build()
