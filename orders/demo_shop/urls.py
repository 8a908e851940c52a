"""The demo shop's addresses."""

from django.urls import path

from orders.demo_shop import views

urlpatterns = [
    path("", views.shelf, name="shelf"),
    path("healthz", views.healthz),
    path("shop.css", views.stylesheet, name="stylesheet"),
    path("p/<slug:slug>/", views.product, name="product"),
    path("order/<slug:number>/", views.order, name="order"),
    path("order/<slug:number>/<slug:step>/", views.step, name="step"),
    path("switch/", views.switch, name="switch"),
]
