from django.db import migrations, models

TYPES = [("rest", "REST"), ("graphql", "GraphQL"), ("grpc", "gRPC"), ("tool", "Tool of this platform"), ("mcp", "MCP server")]


class Migration(migrations.Migration):
    dependencies = [("flows", "0009_tenanthandlers_row_level_security")]
    operations = [
        migrations.AlterField(model_name="integration", name="type", field=models.CharField(choices=TYPES, default="rest", max_length=10)),
    ]
