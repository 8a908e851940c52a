"""The portal pages about money: an affiliate's under its code, a merchant's under its own."""

from __future__ import annotations

from django.urls import path

from commissions import balance_views, diagnosis_views, link_builder, merchant_views, report_views, views

app_name = "commissions"

AFFILIATE = "affiliate/<slug:code>/"
MERCHANT = "merchant/<slug:code>/"

urlpatterns = [
    path(AFFILIATE, views.affiliate_home, name="affiliate_home"),
    path(f"{AFFILIATE}report/", report_views.report, name="report"),
    path(f"{AFFILIATE}report/csv/", report_views.report_csv, name="report_csv"),
    path(f"{AFFILIATE}report/<str:day>/", report_views.report_day, name="report_day"),
    path(f"{AFFILIATE}commissions/<uuid:public_id>/", views.commission, name="commission"),
    path(f"{AFFILIATE}links/new/", link_builder.link_new, name="link_new"),
    path(f"{AFFILIATE}links/check/", link_builder.link_check, name="link_check"),
    path(f"{AFFILIATE}links/utm/", link_builder.link_utm, name="link_utm"),
    path(f"{AFFILIATE}diagnosis/", diagnosis_views.affiliate_diagnosis, name="diagnosis"),
    path(f"{AFFILIATE}diagnosis/breakpoints/", diagnosis_views.affiliate_breakpoints, name="breakpoints"),
    path(f"{AFFILIATE}pending/", views.pending, name="pending"),
    path(f"{AFFILIATE}balance/", balance_views.balance, name="balance"),
    path(f"{AFFILIATE}balance/<slug:account>/", balance_views.balance_lines, name="balance_lines"),
    path(f"{AFFILIATE}settings/commission/", views.preferences, name="preferences"),
    path(MERCHANT, merchant_views.merchant_home, name="merchant_home"),
    path(f"{MERCHANT}commissions/", merchant_views.merchant_commissions, name="merchant_commissions"),
    path(
        f"{MERCHANT}commissions/<uuid:public_id>/",
        merchant_views.merchant_commission,
        name="merchant_commission",
    ),
    path(f"{MERCHANT}diagnosis/", diagnosis_views.merchant_diagnosis, name="merchant_diagnosis"),
    path(
        f"{MERCHANT}diagnosis/breakpoints/",
        diagnosis_views.merchant_breakpoints,
        name="merchant_breakpoints",
    ),
    path(f"{MERCHANT}terms/", merchant_views.merchant_terms, name="merchant_terms"),
]
