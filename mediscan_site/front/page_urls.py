"""Pages that span several apps: signing in, the dashboard, one scan, jobs, the audit log."""

from django.conf import settings
from django.contrib.auth import views as auth
from django.urls import path

from mediscan_site.front import style, views

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("login/", views.SignIn.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("preferences/theme/", views.preferences_theme, name="preferences_theme"),
    path("password/", views.PasswordChange.as_view(), name="password_change"),
    path("password-reset/", views.password_reset, name="password_reset"),
    path(
        "password-reset/sent/",
        auth.PasswordResetDoneView.as_view(template_name="auth/reset_sent.html"),
        name="password_reset_done",
    ),
    path("password-reset/<uidb64>/<token>/", views.PasswordResetConfirm.as_view(), name="password_reset_confirm"),
    path(
        "password-reset/done/",
        auth.PasswordResetCompleteView.as_view(template_name="auth/reset_done.html"),
        name="password_reset_complete",
    ),
    path("scans/<int:pk>/", views.scan, name="scan"),
    path("scans/<int:pk>/timeline/", views.scan_timeline, name="scan_timeline"),
    path("scans/<int:pk>/edit/", views.scan_edit, name="scan_edit"),
    path("scans/<int:pk>/label/", views.scan_label, name="scan_label"),
    path("scans/<int:pk>/withdraw/", views.scan_withdraw, name="scan_withdraw"),
    path("scans/<int:pk>/review/", views.scan_review, name="scan_review"),
    path("scans/<int:pk>/delete/", views.scan_delete, name="scan_delete"),
    path("jobs/", views.jobs, name="jobs"),
    path("audit/", views.audit, name="audit"),
]

if settings.DEBUG:
    urlpatterns.append(path("style/", style.style, name="style"))
