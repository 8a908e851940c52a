"""The books to look at: accounts with their lines, journals, transfers. Nothing here is ever edited (LEDGER-2)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from commissions.models import Account, Journal, Transfer
from commissions.statements import lines_of, read_mark
from portal.admin import ReadOnlyInline
from portal.admin_actions import ObjectActionsMixin
from portal.admin_lists import ReadOnlyLongList
from portal.templatetags.shell import money


def owner_of(account: Account) -> str:
    """Whose account it is; a dash for the platform's own."""
    return str(account.affiliate or account.merchant or "—")


@admin.register(Account)
class AccountAdmin(ObjectActionsMixin, ReadOnlyLongList):
    list_display = ("kind", "owner", "currency", "balance_sum", "debit_sum", "credit_sum")
    list_select_related = ("affiliate", "merchant")
    list_filter = ("kind", "currency")
    search_fields = ("affiliate__code", "affiliate__name", "merchant__code", "merchant__name")
    search_help_text = _("The owner's code or name")
    fields = ()
    change_form_template = "admin/commissions/account/change_form.html"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Account]:
        return super().get_queryset(request).select_related("affiliate", "merchant")

    def page_context(self, request: HttpRequest, account: Account) -> dict[str, Any]:
        page = lines_of(account, after=read_mark(request.GET.get("after", "")))
        return {
            **super().page_context(request, account),
            "owner": owner_of(account),
            "page": page,
            "is_first": "after" not in request.GET,
        }

    @admin.display(description=_("owner"))
    def owner(self, account: Account) -> str:
        return owner_of(account)

    @admin.display(description=_("balance"))
    def balance_sum(self, account: Account) -> str:
        return money(account.balance, account.currency)

    @admin.display(description=_("debits"), ordering="debits")
    def debit_sum(self, account: Account) -> str:
        return money(account.debits, account.currency)

    @admin.display(description=_("credits"), ordering="credits")
    def credit_sum(self, account: Account) -> str:
        return money(account.credits, account.currency)


def account_name(account: Account) -> str:
    """An account by what it is and whose."""
    return f"{account.get_kind_display()} · {owner_of(account)}"


class TransferInline(ReadOnlyInline):
    model = Transfer
    fields = ("kind", "debit", "credit", "sum", "source_kind", "source_id", "sequence")
    readonly_fields = fields
    ordering = ("pk",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Transfer]:
        return super().get_queryset(request).select_related(*OWNERS)

    @admin.display(description=_("debit"))
    def debit(self, transfer: Transfer) -> str:
        return account_name(transfer.debit_account)

    @admin.display(description=_("credit"))
    def credit(self, transfer: Transfer) -> str:
        return account_name(transfer.credit_account)

    @admin.display(description=_("amount"))
    def sum(self, transfer: Transfer) -> str:
        return money(transfer.amount, transfer.currency)


OWNERS = (
    "debit_account__affiliate",
    "debit_account__merchant",
    "credit_account__affiliate",
    "credit_account__merchant",
)


@admin.register(Journal)
class JournalAdmin(ReadOnlyLongList):
    list_display = ("id", "kind", "order", "posted_at", "by", "memo")
    list_select_related = ("order", "by")
    list_filter = ("kind",)
    search_fields = ("order__order_id__exact",)
    search_help_text = _("The whole order number")
    fields = ("kind", "order", "posted_at", "by", "memo")
    inlines = (TransferInline,)


@admin.register(Transfer)
class TransferAdmin(ReadOnlyLongList):
    list_display = ("id", "posted_at", "kind", "debit", "credit", "sum", "source_kind", "source_id")
    list_select_related = OWNERS
    list_filter = ("kind", "source_kind", "currency")
    fields = (
        "journal",
        "posted_at",
        "kind",
        "debit",
        "credit",
        "sum",
        "source_kind",
        "source_id",
        "sequence",
    )
    readonly_fields = ("debit", "credit", "sum")

    @admin.display(description=_("debit"))
    def debit(self, transfer: Transfer) -> str:
        return account_name(transfer.debit_account)

    @admin.display(description=_("credit"))
    def credit(self, transfer: Transfer) -> str:
        return account_name(transfer.credit_account)

    @admin.display(description=_("amount"), ordering="amount")
    def sum(self, transfer: Transfer) -> str:
        return money(transfer.amount, transfer.currency)
