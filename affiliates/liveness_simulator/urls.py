"""The simulator's addresses: the vendor's interface at the root, as Aliyun has it, and the page for the person."""

from django.urls import path

from affiliates.liveness_simulator import views

urlpatterns = [
    path("", views.rpc),
    path("healthz", views.healthz),
    path("camera.js", views.script),
    path("camera.css", views.stylesheet),
    path("verify/<str:certify_id>", views.verify, name="verify"),
]
