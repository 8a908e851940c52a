from django.db import migrations


class Migration(migrations.Migration):
    """The audit trail is only ever added to; only a test database may be emptied between tests."""

    dependencies = [("portal", "0002_audit_trail")]

    operations = [
        migrations.RunSQL(
            r"""
            CREATE FUNCTION portal_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'TRUNCATE' AND current_setting('portal.test_database', true) = 'on'
                   AND current_database() LIKE 'test\_%' THEN
                    RETURN NULL;
                END IF;
                RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
                    USING ERRCODE = 'restrict_violation';
            END $$;
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON portal_auditentry
                FOR EACH STATEMENT EXECUTE FUNCTION portal_refuse_change();
            """,
            """
            DROP TRIGGER append_only ON portal_auditentry;
            DROP FUNCTION portal_refuse_change();
            """,
        )
    ]
