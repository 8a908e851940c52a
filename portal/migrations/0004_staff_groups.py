"""Create the staff groups named in `StaffGroup`. Permissions are given where the models they guard live."""

from django.db import migrations

NAMES = ["kyc_reviewer", "kyc_senior", "finance", "risk", "support"]


def create(apps, schema_editor):
    group = apps.get_model("auth", "Group")
    for name in NAMES:
        group.objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("portal", "0003_append_only_audit")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
