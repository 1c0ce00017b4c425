"""Pages that span several apps: signing in, the dashboard, one scan, jobs, the audit log."""

from django.conf import settings
from django.contrib.auth import views as auth
from django.urls import path

from mediscan_site.front import saying, style, views
from mediscan_site.front.finding import views as finding
from mediscan_site.front.messages import views as told
from mediscan_site.front.people import account_views as account
from mediscan_site.front.people import views as people

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
    path("projects/", views.project_list, name="project_list"),
    path("projects/<int:pk>/", views.project, name="project"),
    path("invitation/<uidb64>/<token>/", people.InvitationPage.as_view(), name="invitation"),
    path("users/", people.user_list, name="user_list"),
    path("users/new/", people.user_new, name="user_new"),
    path("users/<int:pk>/", people.user, name="user"),
    path("users/<int:pk>/active/", people.user_active, name="user_active"),
    path("users/<int:pk>/invitation/", people.user_invitation, name="user_invitation"),
    path("users/<int:pk>/link/", people.user_link, name="user_link"),
    path("users/<int:pk>/log-out/", people.user_log_out, name="user_log_out"),
    path("users/<int:pk>/unlock/", people.user_unlock, name="user_unlock"),
    path("me/", account.account, name="account"),
    path("me/log-out-elsewhere/", account.log_out_elsewhere, name="log_out_elsewhere"),
    path("me/tokens/", account.token_make, name="token_make"),
    path("me/tokens/<int:pk>/end/", account.token_end, name="token_end"),
    path("messages/", told.messages, name="messages"),
    path("messages/read/", told.messages_read, name="messages_read"),
    path("messages/<int:pk>/open/", told.message_open, name="message_open"),
    path("search/", finding.search, name="search"),
    path("palette/", finding.palette, name="palette"),
    path("said/", saying.said, name="said"),
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
