"""The pages of an affiliate about itself: its application, its papers, its settlement account."""

from __future__ import annotations

from django.urls import URLPattern, path

from affiliates import paper_views

app_name = "affiliates"

urlpatterns: list[URLPattern] = [
    path("papers/", paper_views.policy, name="paper_policy"),
    path("papers/pages/<int:pk>/", paper_views.page_image, name="page_image"),
    path("papers/pages/<int:pk>/rotate/", paper_views.rotate_page, name="rotate_page"),
    path("papers/pages/<int:pk>/remove/", paper_views.remove_page, name="remove_page"),
    path("papers/frames/<int:pk>/", paper_views.liveness_frame, name="liveness_frame"),
    path("papers/files/<int:pk>/", paper_views.file, name="paper_file"),
    path("papers/cases/<int:pk>/upload/<slug:kind>/", paper_views.upload, name="upload_paper"),
    path("papers/cases/<int:pk>/reveal/<slug:number>/", paper_views.reveal, name="reveal_number"),
]
