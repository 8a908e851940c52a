"""The shell's own pages: landing and the way home, the language and workspace switches, error pages."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from portal.api import json_error, speaks_json
from portal.badges import badge
from portal.forms import ProfileForm
from portal.models import User
from portal.navigation import choose_workspace, home_url


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The landing page for visitors; signed-in people go to where they belong."""
    if not request.user.is_authenticated:
        return render(request, "portal/landing.html")
    url = home_url(request)
    return redirect(url) if url else render(request, "portal/welcome.html")


def _safe_next(request: HttpRequest) -> str:
    wanted = request.POST.get("next", "")
    allowed = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if allowed else "/"


def _remember_language(response: HttpResponse, language: str) -> None:
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite="Lax",
    )


@require_POST
def switch_language(request: HttpRequest) -> HttpResponse:
    """Remember the language in the cookie, and with the user if there is one; go back to `next`."""
    language = request.POST.get("language", "")
    response = HttpResponseRedirect(_safe_next(request))
    if language not in User.Language.values:
        return response
    if request.user.is_authenticated:
        User.objects.filter(pk=request.user.pk).update(language=language)
    _remember_language(response, language)
    return response


@login_required
@require_POST
def switch_workspace(request: HttpRequest) -> HttpResponse:
    """Stand in another membership and go to its home."""
    workspace = choose_workspace(request, request.POST.get("workspace", ""))
    if workspace is None:
        raise Http404
    return redirect(workspace.home)


@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """One's name and language."""
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        with translation.override(user.language):
            messages.success(request, _("Your profile is saved."))
        response = redirect("profile")
        _remember_language(response, user.language)
        return response
    return render(request, "portal/profile.html", {"form": form})


@staff_member_required
@require_safe
def style(request: HttpRequest) -> HttpResponse:
    """Every component once, on sample data, for those who build pages."""
    at = timezone.now()
    states = ["locked", "confirmed", "released", "held", "void", "clawed_back", "awaiting_payment"]
    rows = [
        {"name": f"82111142798489{n:02d}", "state": states[n % 7], "amount": 185 * n - 300, "rate": 790 + n}
        | {"at": at + timedelta(minutes=25 - 40 * n)}
        for n in range(40)
    ]
    entries = [
        {"title": badge(name).label, "icon": badge(name).icon, "tone": badge(name).tone, "at": at}
        for name in states[:3]
    ]
    context = {
        "tones": ["info", "good", "warn", "bad"],
        "pending": 123456,
        "available": 9875,
        "held": 0,
        "debt": -4200,
        "form": ProfileForm(request.GET or None, instance=User()),
        "page": Paginator(rows, 7).get_page(request.GET.get("page")),
        "entries": entries,
        "facts": [(badge(name).label, name) for name in states[:4]],
    }
    return render(request, "portal/style.html", context)


def admin_login(request: HttpRequest) -> HttpResponse:
    """Staff sign in on our page; a signed-in person who isn't staff is told so."""
    if request.user.is_authenticated:
        if request.user.is_staff:
            return redirect("admin:index")
        raise PermissionDenied
    return redirect_to_login(request.GET.get("next") or reverse("admin:index"))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if speaks_json(request):
        return json_error("bad_request", _("The request can't be read."), status=400)
    return render(request, "400.html", status=400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if speaks_json(request):
        return json_error("permission_denied", _("You may not do this."), status=403)
    return render(request, "403.html", status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without its token: mostly a page that stood open too long."""
    return render(request, "403_csrf.html", status=403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if speaks_json(request):
        return json_error("not_found", _("There is nothing at this address."), status=404)
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Rendered without request, user, database or context processors: any of them may be what broke."""
    if speaks_json(request):
        return json_error("server_error", _("Something went wrong on our side."), status=500)
    html = render_to_string("500.html", {"language": translation.get_language() or settings.LANGUAGE_CODE})
    return HttpResponse(html, status=500)
