"""What reviewers may do with cases and papers. Nobody else on the staff sees a paper (ONB-9)."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

LOOK = ["case", "caseevent", "document", "livenesscheck", "company", "calendarday", "settlementaccount", "paperexpiry"]
REVIEWER = [*(f"view_{model}" for model in LOOK), "review_case"]
GRANTS = {
    "kyc_reviewer": REVIEWER,
    "kyc_senior": [*REVIEWER, "decide_case", "reveal_papers", "manage_review", "change_calendarday", "add_calendarday"],
    "support": ["view_calendarday"],
}


def grant(apps, schema_editor):
    using = schema_editor.connection.alias
    app_config = apps.get_app_config("affiliates")
    # Permissions are made after all migrations; here they are needed now.
    app_config.models_module = True
    create_permissions(app_config, apps=apps, verbosity=0, using=using)
    app_config.models_module = None
    group_model = apps.get_model("auth", "Group")
    permission_model = apps.get_model("auth", "Permission")
    for name, codenames in GRANTS.items():
        permissions = permission_model.objects.using(using).filter(
            codename__in=codenames, content_type__app_label="affiliates"
        )
        group_model.objects.using(using).get(name=name).permissions.add(*permissions)


class Migration(migrations.Migration):
    dependencies = [("affiliates", "0007_reopened_steps"), ("portal", "0004_staff_groups")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
