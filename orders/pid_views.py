"""An affiliate's PIDs by channel: health, making one, taking a frozen one back (ATTR-1, ATTR-4, ONB-7)."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from affiliates.models import Affiliate
from affiliates.pages import affiliate_action, affiliate_form
from affiliates.pids import create_pid, freezing_soon, reactivate
from orders.link_forms import PidForm
from orders.pid_clicks import figures
from portal.errors import DomainError


@affiliate_form
def pid_list(request: HttpRequest, affiliate: Affiliate) -> HttpResponse:
    """The PIDs with their health and clicks, and the form that makes another."""
    at = timezone.now()
    form = PidForm(request.POST if request.method == "POST" else None, affiliate=affiliate)
    if request.method == "POST" and form.is_valid():
        try:
            pid = create_pid(
                form.cleaned_data["channel"],
                placement=form.cleaned_data["placement"],
                by=request.user,
                at=at,
            )
        except DomainError as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
        else:
            messages.success(request, _("The PID %(pid)s is made.") % {"pid": pid.value})
            return redirect("orders:pids", code=affiliate.code)
    pids = list(affiliate.pids.select_related("channel").order_by("channel", "pk"))
    known = figures(pids, at=at)
    channels = list(affiliate.channels.order_by("pk"))
    context = {
        "affiliate": affiliate,
        "form": form,
        "channels": [
            {
                "channel": channel,
                "rows": [
                    {"pid": pid, "figures": known[pid.pk]} for pid in pids if pid.channel_id == channel.pk
                ],
            }
            for channel in channels
        ],
        "at_limit": affiliate.on_probation and bool(pids),
        "freezing": freezing_soon(affiliate, at=at),
    }
    return render(request, "affiliate/pids.html", context)


@affiliate_action
def pid_reactivate(request: HttpRequest, affiliate: Affiliate, value: str) -> HttpResponse:
    """Take a frozen PID back."""
    pid = affiliate.pids.filter(value=value).first()
    if pid is None:
        raise Http404
    try:
        reactivate(pid, by=request.user, at=timezone.now())
    except DomainError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(
            request, _("%(pid)s counts again. Clicks made while it was frozen stay out.") % {"pid": pid.value}
        )
    return redirect("orders:pids", code=affiliate.code)
