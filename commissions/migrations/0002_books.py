"""What must hold of the books whatever the code does: posting, append-only tables, published terms.

Everything here is enforced for raw SQL too. See docs/ledger.md.
"""

from django.db import migrations

POSTING = """
-- Every INSERT into the transfers is posted by this trigger, once per statement: it checks the accounts of all
-- new rows, locks them in the order of their ids (so that two postings can't deadlock) and moves each balance
-- once, however many rows touch it (LEDGER-1, LEDGER-4).
CREATE FUNCTION commissions_post_transfers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stray record;
BEGIN
    PERFORM 1 FROM commissions_account
     WHERE id IN (SELECT debit_account_id FROM posted UNION SELECT credit_account_id FROM posted)
     ORDER BY id FOR NO KEY UPDATE;

    SELECT p.id, p.currency, d.currency AS debit_currency, c.currency AS credit_currency INTO stray
      FROM posted p
      LEFT JOIN commissions_account d ON d.id = p.debit_account_id
      LEFT JOIN commissions_account c ON c.id = p.credit_account_id
     WHERE d.currency IS DISTINCT FROM p.currency OR c.currency IS DISTINCT FROM p.currency
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transfer % is in %, its accounts are in % and %',
            stray.id, stray.currency, stray.debit_currency, stray.credit_currency
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transfer_accounts_share_currency';
    END IF;

    UPDATE commissions_account a
       SET debits = a.debits + moved.debits, credits = a.credits + moved.credits
      FROM (SELECT account_id, sum(debit) AS debits, sum(credit) AS credits
              FROM (SELECT debit_account_id AS account_id, amount AS debit, 0 AS credit FROM posted
                    UNION ALL
                    SELECT credit_account_id, 0, amount FROM posted) AS side
             GROUP BY account_id) AS moved
     WHERE a.id = moved.account_id;
    RETURN NULL;
END $$;

CREATE TRIGGER post_transfers AFTER INSERT ON commissions_transfer
    REFERENCING NEW TABLE AS posted FOR EACH STATEMENT EXECUTE FUNCTION commissions_post_transfers();

-- Balances move by posting only. Inside the posting trigger the depth is 1.
CREATE FUNCTION commissions_refuse_balance_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'balances move by transfers only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER balances_by_posting_only BEFORE UPDATE OF debits, credits ON commissions_account
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION commissions_refuse_balance_change();
CREATE FUNCTION commissions_refuse_opening_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an account opens at zero' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER account_opens_at_zero BEFORE INSERT ON commissions_account
    FOR EACH ROW WHEN (NEW.debits <> 0 OR NEW.credits <> 0)
    EXECUTE FUNCTION commissions_refuse_opening_balance();
"""

UNPOSTING = """
DROP TRIGGER post_transfers ON commissions_transfer;
DROP FUNCTION commissions_post_transfers();
DROP TRIGGER balances_by_posting_only ON commissions_account;
DROP FUNCTION commissions_refuse_balance_change();
DROP TRIGGER account_opens_at_zero ON commissions_account;
DROP FUNCTION commissions_refuse_opening_balance();
"""

GUARDS = """
-- Published terms are what orders were priced by (RATE-3).
CREATE FUNCTION commissions_refuse_terms_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'commissions_termsversion' THEN
        IF OLD.published_at IS NULL THEN
            RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
        END IF;
    ELSIF NOT EXISTS (
        SELECT 1 FROM commissions_termsversion t
         WHERE t.published_at IS NOT NULL
           AND t.id IN (CASE WHEN TG_OP = 'INSERT' THEN NEW.terms_id ELSE OLD.terms_id END,
                        CASE WHEN TG_OP = 'DELETE' THEN OLD.terms_id ELSE NEW.terms_id END)
    ) THEN
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION 'published terms never change' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER published_terms_stay BEFORE UPDATE OR DELETE ON commissions_termsversion
    FOR EACH ROW EXECUTE FUNCTION commissions_refuse_terms_change();
CREATE TRIGGER published_rules_stay BEFORE INSERT OR UPDATE OR DELETE ON commissions_raterule
    FOR EACH ROW EXECUTE FUNCTION commissions_refuse_terms_change();
"""

GUARDS_DOWN = """
DROP TRIGGER published_terms_stay ON commissions_termsversion;
DROP TRIGGER published_rules_stay ON commissions_raterule;
DROP FUNCTION commissions_refuse_terms_change();
"""

ALL_CHANGES = "UPDATE OR DELETE OR TRUNCATE"
APPEND_ONLY = {
    "commissions_transfer": ALL_CHANGES,
    "commissions_journal": ALL_CHANGES,
    "commissions_transition": ALL_CHANGES,
    "orders_orderevent": ALL_CHANGES,
    "orders_rejectedevent": ALL_CHANGES,
    "orders_attributionwindow": ALL_CHANGES,
    "affiliates_commissionpreference": ALL_CHANGES,
    "commissions_termsversion": "TRUNCATE",
    "commissions_raterule": "TRUNCATE",
    "commissions_commission": "DELETE OR TRUNCATE",
    "commissions_account": "DELETE OR TRUNCATE",
}


def append_only() -> list[migrations.RunSQL]:
    return [
        migrations.RunSQL(
            f"CREATE TRIGGER append_only BEFORE {events} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION portal_refuse_change();",
            f"DROP TRIGGER append_only ON {table};",
        )
        for table, events in APPEND_ONLY.items()
    ]


class Migration(migrations.Migration):
    dependencies = [("commissions", "0001_initial"), ("portal", "0003_append_only_audit")]

    operations = [
        migrations.RunSQL(POSTING, UNPOSTING),
        migrations.RunSQL(GUARDS, GUARDS_DOWN),
        *append_only(),
    ]
