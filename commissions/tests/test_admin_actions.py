"""What staff do in the admin: it asks first, refuses the wrong person and the wrong state, and acts once."""

from __future__ import annotations

import base64
import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from affiliates.models import Affiliate, CommissionPreference, Pid, Suspension
from affiliates.suspension import suspend
from affiliates.tests.factories import make_affiliate, make_pid
from commissions import holds
from commissions.models import Hold, RateRule, TermsVersion
from commissions.tests.assertions import assert_books_balance
from commissions.tests.factories import Shop, make_terms
from orders.models import OrderSource
from orders.tests.factories import make_merchant
from portal.models import AuditEntry
from portal.tests.factories import make_staff, make_superuser, signed_in

pytestmark = pytest.mark.django_db


def act(obj, action: str) -> str:
    opts = obj._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_action", args=[obj.pk, action])


def page(obj) -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk])


def told(answer) -> list[str]:
    """The messages on the page that the answer leads to."""
    return [str(message) for message in answer.context["messages"]]


def audited() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


@pytest.fixture
def rita():
    return make_staff("Rita", groups=("risk",))


@pytest.fixture
def ruth():
    return make_staff("Ruth", groups=("risk",))


@pytest.fixture
def sue():
    return make_staff("Sue", groups=("support",))


@pytest.fixture
def root():
    return make_superuser()


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.send(shop.awaiting(), shop.paid())
    return shop


# --- holds ------------------------------------------------------------------------------------------------------


def test_holding_asks_with_the_amounts_and_then_holds(shop, rita):
    client, commission = signed_in(rita), shop.commission()
    assert act(commission, "hold") in client.get(page(commission)).content.decode()
    asked = client.get(act(commission, "hold"))
    assert asked.status_code == 200
    assert "US$0.79" in asked.content.decode()
    assert shop.commission().state == "confirmed"
    answer = client.post(act(commission, "hold"), {"reason": "risk_hold", "note": "odd"}, follow=True)
    assert answer.redirect_chain == [(page(commission), 302)]
    held = Hold.objects.get()
    assert (held.reason, held.note, held.placed_by) == ("risk_hold", "odd", rita)
    assert shop.commission().state == "held"
    assert audited() == ["terms.publish", "commission.hold"]
    assert_books_balance(at=shop.commission().updated_at)


def test_holding_needs_the_permission(shop, sue):
    client, commission = signed_in(sue), shop.commission()
    assert act(commission, "hold") not in client.get(page(commission)).content.decode()
    assert client.get(act(commission, "hold")).status_code == 403
    answer = client.post(act(commission, "hold"), {"reason": "risk_hold", "note": "odd"})
    assert answer.status_code == 403
    assert not Hold.objects.exists()
    assert shop.commission().state == "confirmed"


@pytest.mark.parametrize("data", [{}, {"reason": "risk_hold"}, {"reason": "merchant_limit", "note": "x"}])
def test_holding_needs_a_note_and_a_reason_that_people_give(shop, rita, data):
    answer = signed_in(rita).post(act(shop.commission(), "hold"), data)
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert not Hold.objects.exists()


def test_holding_twice_is_refused_in_words(shop, rita):
    client = signed_in(rita)
    url, data = act(shop.commission(), "hold"), {"reason": "risk_hold", "note": "odd"}
    client.post(url, data)
    before = audited()
    answer = client.post(url, data, follow=True)
    assert len(told(answer)) == 2  # the first success and the refusal
    assert Hold.objects.count() == 1
    assert audited() == before


def test_lifting_asks_and_lifts_and_is_refused_once_it_is_lifted(shop, rita):
    client = signed_in(rita)
    placed = holds.hold(shop.commission(), reason="risk_hold", by=rita, at=timezone.now())
    assert act(placed, "lift") in client.get(page(placed)).content.decode()
    assert client.get(act(placed, "lift")).status_code == 200
    assert shop.commission().state == "held"
    client.post(act(placed, "lift"), {"note": "fine"})
    assert shop.commission().state == "confirmed"
    assert audited()[-1] == "commission.resume"
    before = audited()
    client.post(act(placed, "lift"), {"note": "again"})
    assert audited() == before
    assert act(placed, "lift") not in client.get(page(placed)).content.decode()


@pytest.mark.parametrize("action", ["lift", "propose-forfeit", "approve-forfeit"])
def test_support_neither_lifts_nor_forfeits(shop, rita, sue, action):
    placed = holds.hold(shop.commission(), reason="risk_hold", by=rita, at=timezone.now())
    holds.propose_forfeit(placed, by=rita, at=timezone.now())
    before = audited()
    assert signed_in(sue).post(act(placed, action), {"note": "x"}).status_code == 403
    placed.refresh_from_db()
    assert (placed.lifted_at, placed.forfeited_at, shop.commission().state) == (None, None, "held")
    assert audited() == before


def test_one_person_proposes_and_another_forfeits(shop, rita, ruth):
    placed = holds.hold(shop.commission(), reason="risk_hold", by=rita, at=timezone.now())
    first, second = signed_in(rita), signed_in(ruth)
    assert act(placed, "approve-forfeit") not in second.get(page(placed)).content.decode()
    first.post(act(placed, "propose-forfeit"), {"note": "click farm"})
    assert shop.commission().amount == 79
    refused = first.post(act(placed, "approve-forfeit"), {"note": "me too"}, follow=True)
    assert len(told(refused)) == 2
    placed.refresh_from_db()
    assert (placed.forfeited_at, shop.commission().amount) == (None, 79)
    assert "Rita" in second.get(act(placed, "approve-forfeit")).content.decode() or (
        rita.email in second.get(act(placed, "approve-forfeit")).content.decode()
    )
    second.post(act(placed, "approve-forfeit"), {"note": "seen"})
    placed.refresh_from_db()
    assert (placed.forfeit_proposed_by, placed.forfeited_by) == (rita, ruth)
    assert (shop.commission().state, shop.commission().amount) == ("clawed_back", 0)
    assert audited()[-2:] == ["commission.propose_forfeit", "commission.forfeit"]


def test_approving_what_nobody_proposed_is_refused(shop, rita, ruth):
    placed = holds.hold(shop.commission(), reason="risk_hold", by=rita, at=timezone.now())
    before = audited()
    signed_in(ruth).post(act(placed, "approve-forfeit"), {"note": "x"})
    assert (shop.commission().state, audited()) == ("held", before)


@pytest.mark.parametrize("action", ["nonsense", "hold"])
def test_an_unknown_action_or_object_is_not_found(shop, rita, action):
    url = act(shop.commission(), "hold").replace("/hold/", f"/{action}/")
    missing = url.replace(f"/{shop.commission().pk}/", "/999999/")
    assert signed_in(rita).get(missing).status_code == 404
    if action == "nonsense":
        assert signed_in(rita).get(url).status_code == 404


# --- affiliates -------------------------------------------------------------------------------------------------


def test_suspending_asks_for_a_reason_and_suspends(rita):
    affiliate, client = make_affiliate(), signed_in(rita)
    assert client.get(act(affiliate, "suspend")).status_code == 200
    assert client.post(act(affiliate, "suspend"), {"reason": " "}).context["form"].errors
    assert not Suspension.objects.exists()
    client.post(act(affiliate, "suspend"), {"reason": "click farm"})
    suspension = Suspension.objects.get()
    assert (suspension.reason, suspension.suspended_by) == ("click farm", rita)
    assert audited() == ["affiliate.suspend"]
    client.post(act(affiliate, "suspend"), {"reason": "again"})
    assert Suspension.objects.count() == 1
    assert audited() == ["affiliate.suspend"]


def test_reinstating_ends_the_suspension_once(rita):
    affiliate, client = make_affiliate(), signed_in(rita)
    client.post(act(affiliate, "reinstate"), {"reason": "not suspended at all"})
    assert audited() == []
    suspend(affiliate, by=rita, at=timezone.now(), reason="x")
    assert act(affiliate, "suspend") not in client.get(page(affiliate)).content.decode()
    client.post(act(affiliate, "reinstate"), {"reason": "mistake"})
    assert Suspension.objects.get().reinstated_by == rita
    assert audited() == ["affiliate.suspend", "affiliate.reinstate"]


@pytest.mark.parametrize("action", ["suspend", "reinstate", "new-pid", "minimum-unit"])
def test_support_does_nothing_to_an_affiliate(sue, action):
    affiliate = make_pid().affiliate
    answer = signed_in(sue).post(act(affiliate, action), {"reason": "x", "minimum_unit": 1})
    assert answer.status_code == 403
    assert (Suspension.objects.count(), Pid.objects.count(), CommissionPreference.objects.count()) == (
        0,
        1,
        0,
    )


def test_a_pid_is_made_by_the_operation_and_its_refusals_are_told_at_the_field(root):
    affiliate = make_pid(make_affiliate("alice")).affiliate
    client, channel = signed_in(root), affiliate.channels.get()
    client.post(act(affiliate, "new-pid"), {"channel": channel.pk, "placement": "footer"})
    assert Pid.objects.latest("pk").value == "mm_alice_blog_footer"
    again = client.post(act(affiliate, "new-pid"), {"channel": channel.pk, "placement": "footer"})
    assert "placement" in again.context["form"].errors
    foreign = make_pid().channel
    refused = client.post(act(affiliate, "new-pid"), {"channel": foreign.pk, "placement": "top2"})
    assert "channel" in refused.context["form"].errors
    assert Pid.objects.count() == 3


def test_on_probation_a_second_pid_is_refused(root):
    affiliate = make_pid(make_affiliate(on_probation=True)).affiliate
    data = {"channel": affiliate.channels.get().pk, "placement": "footer"}
    signed_in(root).post(act(affiliate, "new-pid"), data)
    assert affiliate.pids.count() == 1


def test_the_minimum_unit_is_chosen_from_now_on_and_history_stays(root):
    affiliate, client = make_affiliate(), signed_in(root)
    client.post(act(affiliate, "minimum-unit"), {"minimum_unit": 1})
    client.post(act(affiliate, "minimum-unit"), {"minimum_unit": 10})
    refused = client.post(act(affiliate, "minimum-unit"), {"minimum_unit": 5})
    assert refused.context["form"].errors
    assert list(affiliate.preferences.order_by("pk").values_list("minimum_unit", "chosen_by")) == [
        (1, root.pk),
        (10, root.pk),
    ]


def test_an_edited_affiliate_leaves_an_audit_row_and_keeps_its_code(root):
    affiliate, client = make_affiliate("alice"), signed_in(root)
    form = client.get(page(affiliate)).context["adminform"].form
    assert "code" not in form.fields
    prefixes = ("members", "channels", "pids", "preferences", "suspensions")
    management = {f"{prefix}-{name}_FORMS": 0 for prefix in prefixes for name in ("TOTAL", "INITIAL")}
    data = {"name": "Renamed", "kind": "mcn", "code": "bob", "approved_at_0": "", "approved_at_1": ""}
    assert client.post(page(affiliate), {**data, **management}).status_code == 302
    affiliate.refresh_from_db()
    assert (affiliate.code, affiliate.name, affiliate.kind) == ("alice", "Renamed", "mcn")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.by, entry.target_id) == ("affiliate.change", root, str(affiliate.pk))


def test_an_affiliate_is_never_deleted(root):
    affiliate = make_affiliate()
    url = reverse("admin:affiliates_affiliate_delete", args=[affiliate.pk])
    assert signed_in(root).post(url, {"post": "yes"}).status_code == 403
    assert Affiliate.objects.filter(pk=affiliate.pk).exists()


# --- secrets and windows ----------------------------------------------------------------------------------------


def test_a_secret_is_shown_exactly_once(root):
    source, client = OrderSource.objects.create(code="erp", name="ERP"), signed_in(root)
    assert client.get(act(source, "create-secret")).status_code == 200
    assert not source.secrets.exists()
    first = client.post(act(source, "create-secret"), follow=True).content.decode()
    shown = re.findall(r"whsec_[A-Za-z0-9+/=]{44}", first)
    assert shown == [source.secrets.get().secret]
    assert len(base64.b64decode(shown[0].removeprefix("whsec_"))) == 32
    assert "whsec_" not in client.get(page(source)).content.decode()
    assert audited() == ["order_source.create_secret"]
    client.post(act(source, "create-secret"), follow=True)
    assert source.secrets.count() == 1


@pytest.mark.parametrize(("hours", "left"), [(24, timedelta(hours=24)), (0, timedelta(0))])
def test_rotating_keeps_the_old_one_for_the_overlap(root, hours, left):
    source, client = OrderSource.objects.create(code="erp", name="ERP"), signed_in(root)
    client.post(act(source, "create-secret"), follow=True)
    answer = client.post(act(source, "rotate-secret"), {"overlap": hours}, follow=True).content.decode()
    old, new = source.secrets.order_by("pk")
    assert new.secret in answer
    assert old.secret not in answer
    assert old.expires_at - new.created_at == left
    assert new.expires_at is None
    assert audited()[-1] == "order_source.rotate_secret"


@pytest.mark.parametrize("action", ["create-secret", "rotate-secret"])
def test_nobody_without_the_permission_makes_secrets(sue, action):
    source = OrderSource.objects.create(code="erp", name="ERP")
    assert signed_in(sue).post(act(source, action), {"overlap": 24}).status_code == 403
    assert not source.secrets.exists()


def test_a_window_is_added_and_a_past_one_is_refused_at_its_field(root, sue):
    merchant, client = make_merchant(), signed_in(root)
    client.post(act(merchant, "window"), {"days": 7, "effective_at_0": "", "effective_at_1": ""})
    assert merchant.attribution_windows.get().days == 7
    past = {"days": 9, "effective_at_0": "2020-01-01", "effective_at_1": "00:00:00"}
    assert "effective_at" in client.post(act(merchant, "window"), past).context["form"].errors
    assert "days" in client.post(act(merchant, "window"), {"days": 91}).context["form"].errors
    assert signed_in(sue).post(act(merchant, "window"), {"days": 5}).status_code == 403
    assert merchant.attribution_windows.count() == 1
    assert audited() == ["merchant.choose_window"]


# --- terms ------------------------------------------------------------------------------------------------------


def rules(*entries: dict, initial: int = 0) -> dict[str, object]:
    data: dict[str, object] = {"rules-TOTAL_FORMS": len(entries), "rules-INITIAL_FORMS": initial}
    for index, entry in enumerate(entries):
        data |= {f"rules-{index}-{name}": value for name, value in entry.items()}
    return data


def terms_data(merchant, **changes) -> dict[str, object]:
    base = {"merchant": merchant.pk, "mode": "pre_payment", "default_rate_bps": 790, "threshold_amount": 3000}
    return {**base, "completion_days": 7, **rules(), **changes}


ADD = "admin:commissions_termsversion_add"


def test_a_draft_is_made_with_its_rules(root):
    merchant = make_merchant()
    rule = {"position": 1, "rate_bps": 2000, "country": "ru"}
    answer = signed_in(root).post(reverse(ADD), {**terms_data(merchant), **rules(rule)})
    assert answer.status_code == 302
    draft = TermsVersion.objects.get()
    assert (draft.is_published, draft.default_rate_bps, draft.threshold_amount) == (False, 790, 3000)
    assert [(rule.country, rule.rate_bps) for rule in draft.rules.all()] == [("RU", 2000)]


@pytest.mark.parametrize("rate", [49, 2001])
@pytest.mark.parametrize("where", ["default", "rule"])
def test_a_rate_outside_the_range_is_refused_with_the_range_in_percent(root, rate, where):
    merchant = make_merchant()
    data = terms_data(merchant)
    if where == "default":
        data["default_rate_bps"] = rate
    else:
        data |= rules({"position": 1, "rate_bps": rate})
    answer = signed_in(root).post(reverse(ADD), data)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "0.5 %" in text
    assert "20 %" in text
    errors = (
        answer.context["adminform"].form.errors.get("default_rate_bps")
        if where == "default"
        else answer.context["inline_admin_formsets"][0].formset.errors[0].get("rate_bps")
    )
    assert len(errors) == 1
    assert not TermsVersion.objects.exists()


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"country": "RUS"}, "country"),
        ({"country": "1A"}, "country"),
        ({"window_start_0": "2026-01-01", "window_start_1": "00:00"}, "window_end"),
        (
            {
                "window_start_0": "2026-01-02",
                "window_start_1": "00:00",
                "window_end_0": "2026-01-01",
                "window_end_1": "00:00",
            },
            "window_end",
        ),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_at_its_field(root, rule, field):
    data = {**terms_data(make_merchant()), **rules({"position": 1, "rate_bps": 500, **rule})}
    answer = signed_in(root).post(reverse(ADD), data)
    assert answer.status_code == 200
    assert field in answer.context["inline_admin_formsets"][0].formset.errors[0]
    assert not TermsVersion.objects.exists()


def test_two_rules_at_one_position_are_refused(root):
    rule = {"position": 1, "rate_bps": 500}
    data = {**terms_data(make_merchant()), **rules(rule, rule)}
    assert signed_in(root).post(reverse(ADD), data).status_code == 200
    assert not TermsVersion.objects.exists()


def test_publishing_asks_and_starts_at_once_unless_told_otherwise(root):
    draft = TermsVersion.objects.create(merchant=make_merchant(), default_rate_bps=790)
    client = signed_in(root)
    assert "7.9\u00a0%" in client.get(act(draft, "publish")).content.decode()
    draft.refresh_from_db()
    assert not draft.is_published
    client.post(act(draft, "publish"), {"starts_at_0": "", "starts_at_1": ""})
    draft.refresh_from_db()
    assert (draft.number, draft.published_by, draft.starts_at) == (1, root, draft.published_at)
    assert audited() == ["terms.publish"]


def test_publishing_into_the_past_is_refused_at_the_field(root):
    draft = TermsVersion.objects.create(merchant=make_merchant(), default_rate_bps=790)
    data = {"starts_at_0": "2020-01-01", "starts_at_1": "00:00:00"}
    answer = signed_in(root).post(act(draft, "publish"), data)
    assert "starts_at" in answer.context["form"].errors
    draft.refresh_from_db()
    assert not draft.is_published
    assert audited() == []


def test_publishing_twice_or_without_permission_is_refused(root, sue):
    draft = TermsVersion.objects.create(merchant=make_merchant(), default_rate_bps=790)
    assert signed_in(sue).post(act(draft, "publish"), {}).status_code == 403
    client = signed_in(root)
    client.post(act(draft, "publish"), {})
    draft.refresh_from_db()
    published_at = draft.published_at
    client.post(act(draft, "publish"), {})
    draft.refresh_from_db()
    assert (draft.number, draft.published_at) == (1, published_at)
    assert audited() == ["terms.publish"]


def test_a_published_version_is_only_looked_at(root):
    terms = make_terms(make_merchant(), rules=({"rate_bps": 900},))
    client = signed_in(root)
    answer = client.get(page(terms))
    assert answer.status_code == 200
    assert 'name="default_rate_bps"' not in answer.content.decode()
    assert client.post(page(terms), terms_data(terms.merchant)).status_code == 403
    delete = reverse("admin:commissions_termsversion_delete", args=[terms.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    terms.refresh_from_db()
    assert (terms.threshold_amount, terms.rules.count()) == (0, 1)


def test_a_draft_is_edited_and_may_be_deleted(root):
    draft = TermsVersion.objects.create(merchant=make_merchant(), default_rate_bps=500)
    rule = RateRule.objects.create(terms=draft, position=1, rate_bps=700)
    client = signed_in(root)
    changed = {"id": rule.pk, "terms": draft.pk, "position": 1, "rate_bps": 750}
    data = {**terms_data(draft.merchant, default_rate_bps=550), **rules(changed, initial=1)}
    assert client.post(page(draft), data).status_code == 302
    draft.refresh_from_db()
    rule.refresh_from_db()
    assert (draft.default_rate_bps, rule.rate_bps) == (550, 750)
    assert audited() == ["termsversion.change"]
    client.post(reverse("admin:commissions_termsversion_delete", args=[draft.pk]), {"post": "yes"})
    assert not TermsVersion.objects.exists()


def test_a_new_draft_carries_the_rules_over(root):
    terms = make_terms(make_merchant(), rules=({"rate_bps": 900, "country": "ES"},))
    answer = signed_in(root).post(act(terms, "draft"), follow=True)
    draft = TermsVersion.objects.get(published_at__isnull=True)
    assert [(rule.rate_bps, rule.country) for rule in draft.rules.all()] == [(900, "ES")]
    assert page(draft) in answer.content.decode()


def test_support_makes_no_draft(sue):
    terms = make_terms(make_merchant())
    assert signed_in(sue).post(act(terms, "draft")).status_code == 403
    assert TermsVersion.objects.count() == 1
