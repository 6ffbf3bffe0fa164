from django.db import migrations, models

import reports.models


class Migration(migrations.Migration):
    dependencies = (("reports", "0006_report_deleted_at"),)

    operations = (
        migrations.AlterField(
            model_name="branding",
            name="logo",
            field=models.FileField(
                blank=True, help_text="PNG or JPEG, at most 512 KB", max_length=300, upload_to=reports.models.place_of_logo
            ),
        ),
        migrations.AlterField(
            model_name="reportfile", name="file", field=models.FileField(max_length=300, upload_to=reports.models.place_of_file)
        ),
    )
