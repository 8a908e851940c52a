"""What each staff group may see and do in the admin. Superusers may do everything their pages offer."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

# Everything in the domain that is looked at; not the order sources' secrets.
AFFILIATES = ["affiliate", "affiliatemember", "channel", "pid", "suspension", "commissionpreference"]
MERCHANTS = ["merchant", "merchantdomain", "merchantmember", "attributionwindow", "ordersource"]
HAPPENED = ["click", "order", "orderevent", "rejectedevent"]
EARNED = ["commission", "transition", "hold", "termsversion", "raterule"]
BOOKS = ["account", "journal", "transfer"]
VIEW = {
    "support": AFFILIATES + MERCHANTS + HAPPENED + EARNED + BOOKS,
    "finance": AFFILIATES + MERCHANTS + HAPPENED + EARNED + BOOKS + ["auditentry"],
    "risk": AFFILIATES + MERCHANTS + HAPPENED + EARNED + BOOKS + ["auditentry"],
    "kyc_reviewer": AFFILIATES,
    "kyc_senior": AFFILIATES + ["auditentry"],
}
ACT = {
    "risk": ["add_hold", "change_hold", "add_suspension", "change_suspension"],
    "kyc_reviewer": [
        "add_affiliate",
        "change_affiliate",
        "add_affiliatemember",
        "change_affiliatemember",
        "delete_affiliatemember",
        "add_channel",
        "change_channel",
        "add_pid",
        "add_commissionpreference",
    ],
}
ACT["kyc_senior"] = [*ACT["kyc_reviewer"], "add_suspension", "change_suspension"]
APPS = ["portal", "affiliates", "orders", "commissions"]


def grant(apps, schema_editor):
    using = schema_editor.connection.alias
    for label in APPS:
        # Permissions are made after all migrations; here they are needed now.
        app_config = apps.get_app_config(label)
        app_config.models_module = True
        create_permissions(app_config, apps=apps, verbosity=0, using=using)
        app_config.models_module = None
    group_model = apps.get_model("auth", "Group")
    permission_model = apps.get_model("auth", "Permission")
    for name, models in VIEW.items():
        codenames = [f"view_{model}" for model in models] + ACT.get(name, [])
        permissions = permission_model.objects.using(using).filter(
            codename__in=codenames, content_type__app_label__in=APPS
        )
        if permissions.count() != len(codenames):
            raise RuntimeError(f"permissions of {name} are missing")
        group, _ = group_model.objects.using(using).get_or_create(name=name)
        group.permissions.add(*permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("commissions", "0002_books"),
        ("orders", "0001_initial"),
        ("affiliates", "0001_initial"),
        ("portal", "0004_staff_groups"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
