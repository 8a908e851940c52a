"""The tracking addresses, and the pages about links, PIDs and callbacks."""

from __future__ import annotations

from django.urls import path

from orders import link_views, pid_views, seller_views, upload_views
from orders.tracking import views as tracking_views

app_name = "orders"

AFFILIATE = "affiliate/<slug:code>/"
MERCHANT = "merchant/<slug:code>/"
LINK = f"{AFFILIATE}link/<slug:link_code>/"
UPLOAD = f"{AFFILIATE}links/upload/"

urlpatterns = [
    path(f"{MERCHANT}promote/", seller_views.promote, name="promote"),
    path("go/<slug:code>", tracking_views.follow, name="go"),
    path("s/<slug:code>", tracking_views.follow, name="short"),
    path(f"{AFFILIATE}links/", link_views.link_list, name="links"),
    path(UPLOAD, upload_views.upload, name="links_upload"),
    path(f"{UPLOAD}template.csv", upload_views.upload_template, name="links_template"),
    path(f"{UPLOAD}<uuid:public_id>/", upload_views.upload_report, name="link_upload"),
    path(f"{UPLOAD}<uuid:public_id>/result.csv", upload_views.upload_result, name="link_upload_result"),
    path(LINK, link_views.link_detail, name="link"),
    path(f"{LINK}qr.svg", link_views.link_qr, name="link_qr"),
    path(f"{LINK}archive/", link_views.link_archive, name="link_archive"),
    path(f"{LINK}restore/", link_views.link_restore, name="link_restore"),
    path(f"{AFFILIATE}pids/", pid_views.pid_list, name="pids"),
    path(f"{AFFILIATE}pids/<str:value>/reactivate/", pid_views.pid_reactivate, name="pid_reactivate"),
]
