from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('affiliates', '0008_review_permissions'),
    ]

    operations = [
        migrations.CreateModel(
            name='RetentionReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('started_at', models.DateTimeField(verbose_name='started at')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished at')),
                ('documents', models.PositiveIntegerField(default=0, verbose_name='documents')),
                ('frames', models.PositiveIntegerField(default=0, verbose_name='liveness frames')),
                ('numbers', models.PositiveIntegerField(default=0, verbose_name='numbers')),
                ('strays', models.PositiveIntegerField(default=0, verbose_name='stray files')),
                ('failures', models.PositiveIntegerField(default=0, verbose_name='failures')),
                ('details', models.JSONField(blank=True, default=dict, verbose_name='details')),
            ],
            options={
                'verbose_name': 'retention report',
                'verbose_name_plural': 'retention reports',
            },
        ),
        migrations.AlterField(
            model_name='document',
            name='verdict',
            field=models.CharField(choices=[('pending', 'to be reviewed'), ('accepted', 'accepted'), ('resubmit', 'to be submitted again'), ('rejected', 'rejected'), ('superseded', 'superseded')], default='pending', max_length=12, verbose_name='verdict'),
        ),
    ]
