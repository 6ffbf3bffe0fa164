"""A client's name is worth something only together with who uses it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("validation", "0003_rule_versions_immutable"),)
    operations = (
        migrations.RemoveConstraint(model_name="changebatch", name="batch_of_client_once"),
        migrations.AddConstraint(
            model_name="changebatch",
            constraint=models.UniqueConstraint(fields=("building", "actor", "client_id", "client_seq"), name="batch_of_client_once"),
        ),
    )
