"""The product's addresses and one page more, which has nothing but upload fields: for the browser test."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template import engines
from django.urls import path

from affiliates.models import Case
from portal.urls import handler400, handler403, handler404, handler500, urlpatterns

__all__ = ["handler400", "handler403", "handler404", "handler500"]

PAGE = """{% extends "layout.html" %}{% load papers static %}
{% block head %}<link rel="stylesheet" href="{% static 'css/papers.css' %}">
<script src="{% static 'js/uploads.js' %}" defer></script>{% endblock %}
{% block page_class %}page-narrow{% endblock %}{% block page_title %}Papers{% endblock %}
{% block content %}<h2>Legal representative</h2><div class="panel"><div class="panel-body">
{% paper_field case "id_front" %}{% paper_field case "tax_proof" %}</div></div>{% endblock %}"""


@login_required
def fields(request: HttpRequest, pk: int) -> HttpResponse:
    case = get_object_or_404(Case, pk=pk)
    return HttpResponse(engines["django"].from_string(PAGE).render({"case": case}, request))


urlpatterns = [*urlpatterns, path("test/papers/<int:pk>/", fields)]
