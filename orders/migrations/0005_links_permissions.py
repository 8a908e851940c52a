"""Staff who see clicks and orders see links as well; who sees PIDs sees their freezes."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEW = {
    "orders": (["support", "finance", "risk"], ["link", "linkupload"]),
    "affiliates": (
        ["support", "finance", "risk", "kyc_reviewer", "kyc_senior"],
        ["pidfreeze", "freezewarning"],
    ),
}


def grant(apps, schema_editor):
    using = schema_editor.connection.alias
    group_model = apps.get_model("auth", "Group")
    permission_model = apps.get_model("auth", "Permission")
    for label, (groups, models) in VIEW.items():
        # Permissions are made after all migrations; here they are needed now.
        app_config = apps.get_app_config(label)
        app_config.models_module = True
        create_permissions(app_config, apps=apps, verbosity=0, using=using)
        app_config.models_module = None
        permissions = permission_model.objects.using(using).filter(
            codename__in=[f"view_{model}" for model in models], content_type__app_label=label
        )
        if permissions.count() != len(models):
            raise RuntimeError(f"permissions of {label} are missing")
        for name in groups:
            group, _ = group_model.objects.using(using).get_or_create(name=name)
            group.permissions.add(*permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0004_links"),
        ("affiliates", "0010_links"),
        ("portal", "0004_staff_groups"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
