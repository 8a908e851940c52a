"""The working-time calendar begins with the years that are known, and an estimate of the next (ONB-3)."""

from django.db import migrations


def learn(apps, schema_editor):
    from affiliates.calendar import estimated_days, official_days, published_years

    day_model = apps.get_model("affiliates", "CalendarDay")
    using = schema_editor.connection.alias
    years = published_years()
    days = [day for year in years for day in official_days(year)] + estimated_days(years[-1] + 1)
    day_model.objects.using(using).bulk_create(
        [
            day_model(day=day.day, is_working=day.is_working, name=day.name, source=day.source)
            for day in days
        ],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    dependencies = [("affiliates", "0005_licence_representative")]

    operations = [migrations.RunPython(learn, migrations.RunPython.noop)]
