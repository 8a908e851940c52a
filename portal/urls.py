"""Every address of the site. This is one of the four places that may look downstream."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from commissions.api import OrderEventsView
from commissions.diagnosis_api import OrderDiagnosisView
from orders.link_api import LinksView, PidsView
from portal import health, private_views, views

urlpatterns = [
    path("", views.home, name="home"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("language/", views.switch_language, name="switch_language"),
    path("workspace/", views.switch_workspace, name="switch_workspace"),
    path("private/", private_views.private_file, name="private_file"),
    path("style/", views.style, name="style"),
    path("account/profile/", views.profile, name="profile"),
    path("account/", include("allauth.account.urls")),
    path("account/two-step/", include("allauth.mfa.urls")),
    path("", include("affiliates.urls")),
    path("", include("orders.urls")),
    path("", include("commissions.urls")),
    path("api/v1/order-events", OrderEventsView.as_view(), name="order_events"),
    path("api/v1/orders/<path:order_id>/diagnosis", OrderDiagnosisView.as_view(), name="api_order_diagnosis"),
    path("api/v1/links", LinksView.as_view(), name="api_links"),
    path("api/v1/pids", PidsView.as_view(), name="api_pids"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path(
        "api/docs/",
        SpectacularSwaggerSplitView.as_view(url_name="schema", template_name="portal/api_docs.html"),
        name="api_docs",
    ),
    path("admin/login/", views.admin_login),
    path("admin/", admin.site.urls),
]

handler400 = "portal.views.bad_request"
handler403 = "portal.views.permission_denied"
handler404 = "portal.views.page_not_found"
handler500 = "portal.views.server_error"
