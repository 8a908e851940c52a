"""The pages of an affiliate about itself: its application, its papers, its settlement account."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "affiliates"

urlpatterns: list[URLPattern] = []
