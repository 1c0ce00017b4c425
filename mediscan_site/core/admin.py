"""Django's admin site over the ground floor. What changes goes through the services; the rest is to be read."""

from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.functional import cached_property

from mediscan_site.core import services
from mediscan_site.core.http.pages import MOST_COUNTED
from mediscan_site.core.http.site import site_url
from mediscan_site.core.models import (
    AuditEvent,
    AuditSeal,
    Backup,
    Blob,
    Drill,
    IdempotencyRecord,
    ServiceToken,
    TaskLease,
    Unsealed,
    User,
    Worker,
)

admin.site.site_header = "MediScan administration"
admin.site.site_title = "MediScan"
# Rights are given per project and person; groups play no part.
admin.site.unregister(Group)


class BoundedPaginator(Paginator[Any]):
    """Pages of the first MOST_COUNTED rows: a count of a million of them reads every one. Who looks for others filters."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[:MOST_COUNTED].count()


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Rows to look at, the newest first: nothing is added, changed or deleted here. Lists are in the order of their keys and
    filtered by columns that have an index, so that a table of a million rows opens like any other."""

    actions: Any = None
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    ordering: ClassVar[Any] = ("-pk",)
    # Nothing is sorted by a click: few columns have an index for it.
    sortable_by = ()

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(admin.ModelAdmin[User]):
    """Accounts are never deleted: what they did must keep their name. Deactivate them."""

    list_display = ("username", "email", "role", "is_active", "last_login")
    list_filter = ("role", "is_active")
    search_fields = ("username", "email")
    fields = ("username", "email", "role", "is_active", "last_login", "date_joined")
    readonly_fields = ("last_login", "date_joined")
    actions = ("reset_link", "unlock")

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return self.fields if obj else ("username", "email", "role")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm[User], change: bool) -> None:  # noqa: FBT001
        values = {name: form.cleaned_data[name] for name in form.changed_data}
        if change:
            services.update_user(actor=_actor(request), user=obj, changes=values)
            return
        made = services.create_user(actor=_actor(request), username=obj.username, email=obj.email, role=obj.role)
        obj.__dict__.update(made.__dict__)

    @admin.action(description="Make a one-time link to set the password")
    def reset_link(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset.filter(is_active=True):
            link = services.make_reset_link(actor=_actor(request), user=user, base_url=site_url(request))
            messages.info(request, f"{user.username}: {link}")

    @admin.action(description="Unlock after too many failed log-ins")
    def unlock(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            services.unlock_account(actor=_actor(request), user=user)
            messages.info(request, f"{user.username} may log in again.")


@admin.register(ServiceToken)
class ServiceTokenAdmin(ReadOnlyAdmin):
    list_display = ("name", "user", "scopes", "made_by", "created_at", "expires_at", "revoked_at")
    list_select_related = ("user", "made_by")
    exclude = ("digest", "password_mark")
    actions = ("revoke",)

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ServiceToken]) -> None:
        for token in queryset:
            services.revoke_service_token(actor=_actor(request), token=token)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("id", "at", "actor_name", "action", "object_type", "object_id", "project", "ip")
    # By a whole name: part of one would be looked for in every event. The site's own page of the trail has all filters.
    search_fields = ("actor_name__exact",)
    ordering: ClassVar[Any] = ("-at", "-pk")


@admin.register(AuditSeal)
class AuditSealAdmin(ReadOnlyAdmin):
    list_display = ("seq", "event", "hash")


@admin.register(Unsealed)
class UnsealedAdmin(ReadOnlyAdmin):
    list_display = ("event", "stray")


@admin.register(TaskLease)
class TaskLeaseAdmin(ReadOnlyAdmin):
    list_display = ("name", "holder", "held_until")


@admin.register(Blob)
class BlobAdmin(ReadOnlyAdmin):
    list_display = ("id", "content_type", "size", "created_at", "erased_at", "quarantined_at")
    exclude = ("wrapped_key",)


@admin.register(Backup)
class BackupAdmin(ReadOnlyAdmin):
    list_display = ("id", "name", "kind", "status", "created_at", "objects_total", "size", "verified_at")
    list_filter = ("kind", "status")


@admin.register(Drill)
class DrillAdmin(ReadOnlyAdmin):
    list_display = ("id", "backup", "status", "created_at", "seconds", "rows_counted", "objects_verified")
    list_filter = ("status",)


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("name", "queues", "processes", "started_at", "seen_at")


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadOnlyAdmin):
    list_display = ("user", "route", "status", "created_at")
    exclude = ("body",)


def _actor(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise TypeError("The admin site is open to accounts only.")
    return request.user
