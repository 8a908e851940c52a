"""The pages of an affiliate about itself: its application, its papers, its settlement account."""

from __future__ import annotations

from django.urls import URLPattern, path

from affiliates import application_views, paper_views

app_name = "affiliates"

AFFILIATE = "affiliate/<slug:code>/"
CASE = f"{AFFILIATE}application/<int:pk>/"

urlpatterns: list[URLPattern] = [
    path("apply/", application_views.apply, name="apply"),
    path(f"{AFFILIATE}application/", application_views.applications, name="applications"),
    path(f"{AFFILIATE}application/new/<slug:kind>/", application_views.open_case, name="open_case"),
    path(f"{AFFILIATE}application/account/", application_views.change_account, name="change_account"),
    path(CASE, application_views.application, name="application"),
    path(f"{CASE}submit/", application_views.submit, name="submit"),
    path(f"{CASE}withdraw/", application_views.withdraw, name="withdraw"),
    path(f"{CASE}liveness/", application_views.start_liveness, name="start_liveness"),
    path(f"{CASE}liveness/back/", application_views.finish_liveness, name="finish_liveness"),
    path(f"{CASE}<slug:key>/", application_views.step, name="step"),
    path("papers/", paper_views.policy, name="paper_policy"),
    path("papers/pages/<int:pk>/", paper_views.page_image, name="page_image"),
    path("papers/pages/<int:pk>/rotate/", paper_views.rotate_page, name="rotate_page"),
    path("papers/pages/<int:pk>/remove/", paper_views.remove_page, name="remove_page"),
    path("papers/frames/<int:pk>/", paper_views.liveness_frame, name="liveness_frame"),
    path("papers/files/<int:pk>/", paper_views.file, name="paper_file"),
    path("papers/cases/<int:pk>/upload/<slug:kind>/", paper_views.upload, name="upload_paper"),
    path("papers/cases/<int:pk>/reveal/<slug:number>/", paper_views.reveal, name="reveal_number"),
]
