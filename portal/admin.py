"""The admin's base classes and the people in it. The site itself is Django's own, in our colours.

Apps whose rows may never be edited by hand (orders, commissions, transfers) register a `ReadOnlyAdmin`.
"""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as StockUserAdmin
from django.contrib.auth.forms import ReadOnlyPasswordHashField, SetPasswordMixin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from portal.models import AuditEntry, User

admin.site.site_header = _("Operations")
admin.site.site_title = settings.SITE_NAME
admin.site.index_title = _("Overview")
admin.site.empty_value_display = "—"

# Addresses are seen on the user's page; second factors are their owners' business alone.
admin.site.unregister([EmailAddress, Authenticator])


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows to look at: no adding, changing or deleting, no bulk actions; the view permission shows them."""

    actions = None
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class ReadOnlyInline(admin.TabularInline):
    """Rows to look at inside another row's page."""

    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class UserCreationForm(SetPasswordMixin, forms.ModelForm):
    """A new user: address, name, language, and a password typed twice."""

    password1, password2 = SetPasswordMixin.create_password_fields()

    class Meta:
        model = User
        fields = ("email", "name", "language")

    def clean(self) -> dict[str, Any] | None:
        self.validate_passwords()
        return super().clean()

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # the stubs leave it out
        # Only now has the instance its address and name, which the password may not resemble.
        self.validate_password_for_user(self.instance)

    def save(self, commit: bool = True) -> User:
        return self.set_password_and_save(super().save(commit=False), commit=commit)


class UserChangeForm(forms.ModelForm):
    """A known user; the password is shown as its hash's outline and changed on a page of its own."""

    password = ReadOnlyPasswordHashField(label=_("Password"))

    class Meta:
        model = User
        fields = (
            "email",
            "password",
            "name",
            "language",
            "is_active",
            "is_staff",
            "is_superuser",
            "groups",
            "user_permissions",
        )


class EmailAddressInline(ReadOnlyInline):
    model = EmailAddress
    fields = ("email", "verified", "primary")
    show_change_link = False

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return request.user.has_perm("portal.view_user")


@admin.register(User)
class UserAdmin(StockUserAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    ordering = ("email",)
    list_display = ("email", "name", "language", "is_staff", "is_active", "last_login")
    list_filter = ("is_staff", "is_active", "groups", "language")
    search_fields = ("email", "name")
    inlines = (EmailAddressInline,)
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (_("Person"), {"fields": ("name", "language")}),
        (
            _("Permissions"),
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "name", "language", "password1", "password2")}),
    )

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        # People sign decisions; an account is switched off, never deleted.
        return False

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        return self.inlines if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: User, form: forms.ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            # Who is made here by staff need not confirm the address again to sign in.
            EmailAddress.objects.get_or_create(
                user=obj, email=obj.email.lower(), defaults={"verified": True, "primary": True}
            )


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who did what to what, when and why."""

    list_display = ("at", "action", "who", "target_type", "target_id", "reason")
    list_select_related = ("by",)
    list_filter = ("action", "target_type")
    search_fields = ("target_id__exact", "by__email")
    search_help_text = _("Number of the object, or a person's address")
    ordering = ("-pk",)
    fields = ("at", "action", "who", "target_type", "target_id", "reason", "data")
    readonly_fields = ("who",)

    @admin.display(description=_("by"))
    def who(self, entry: AuditEntry) -> str:
        return str(entry.by) if entry.by else _("the system")
