"""What was uploaded, agreed to and decided stays as it was, for raw SQL too (ONB-2, ONB-9)."""

from django.db import migrations

SQL = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON affiliates_caseevent
    FOR EACH STATEMENT EXECUTE FUNCTION portal_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON affiliates_consent
    FOR EACH STATEMENT EXECUTE FUNCTION portal_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON affiliates_documentfile
    FOR EACH STATEMENT EXECUTE FUNCTION portal_refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON affiliates_document
    FOR EACH STATEMENT EXECUTE FUNCTION portal_refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON affiliates_documentpage
    FOR EACH STATEMENT EXECUTE FUNCTION portal_refuse_change();

CREATE FUNCTION affiliates_refuse_exchange() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is immutable but for its verdict: a new version supersedes it', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER immutable BEFORE UPDATE ON affiliates_document FOR EACH ROW
    WHEN ((OLD.case_id, OLD.kind, OLD.version, OLD.sha256, OLD.uploaded_by_id, OLD.uploaded_at)
          IS DISTINCT FROM
          (NEW.case_id, NEW.kind, NEW.version, NEW.sha256, NEW.uploaded_by_id, NEW.uploaded_at))
    EXECUTE FUNCTION affiliates_refuse_exchange();
CREATE TRIGGER immutable BEFORE UPDATE ON affiliates_documentpage FOR EACH ROW
    WHEN ((OLD.document_id, OLD.file_id, OLD.position, OLD.key, OLD.width, OLD.height)
          IS DISTINCT FROM
          (NEW.document_id, NEW.file_id, NEW.position, NEW.key, NEW.width, NEW.height))
    EXECUTE FUNCTION affiliates_refuse_exchange();
"""

REVERSE = """
DROP TRIGGER immutable ON affiliates_documentpage;
DROP TRIGGER immutable ON affiliates_document;
DROP FUNCTION affiliates_refuse_exchange();
DROP TRIGGER kept ON affiliates_documentpage;
DROP TRIGGER kept ON affiliates_document;
DROP TRIGGER append_only ON affiliates_documentfile;
DROP TRIGGER append_only ON affiliates_consent;
DROP TRIGGER append_only ON affiliates_caseevent;
"""


class Migration(migrations.Migration):
    dependencies = [("affiliates", "0003_onboarding"), ("portal", "0003_append_only_audit")]

    operations = [migrations.RunSQL(SQL, REVERSE)]
