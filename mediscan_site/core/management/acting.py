"""The base of the commands that act for somebody: `--as USER`, refusals as exit 1, wrong use as exit 2."""

import sys
from abc import abstractmethod
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mediscan_site.core.errors import DomainError
from mediscan_site.core.models import Role, User
from mediscan_site.core.names import name_key

REFUSED, WRONG_USE = 1, 2


class ActingCommand(BaseCommand):
    """A command defines `act(actor, **options)`. Whoever runs it is an operator; what it does is recorded under a user."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--as", dest="actor", metavar="USER", help="whose rights and name it uses; else the first administrator"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.find_actor(options.pop("actor"))
        try:
            self.act(actor, **options)
        except DomainError as error:
            detail = f"{error.attr}: {error.detail}" if error.attr else error.detail
            raise CommandError(detail, returncode=REFUSED) from error

    @abstractmethod
    def act(self, actor: User, **options: Any) -> None:
        """Do it. A DomainError becomes exit status 1 with its text."""

    def find_actor(self, name: str | None) -> User:
        active = User.objects.filter(is_active=True).order_by("pk")
        candidates = active.filter(username_key=name_key(name)) if name else active.filter(role=Role.ADMIN)
        actor = candidates.first()
        if actor is None:
            remedy = "Make one with: manage.py create_user NAME --role admin"
            raise CommandError(f"There is no active {name or 'administrator'}. {remedy}", returncode=WRONG_USE)
        return actor

    def found(self, queryset: Any, value: str, *, prefix: str, what: str) -> Any:
        """The row of this key or code among those the actor sees; wrong use otherwise."""
        from mediscan_site.core.http.codes import parse_code

        try:
            row = queryset.filter(pk=parse_code(prefix, value)).first()
        except DomainError:
            row = None
        if row is None:
            raise CommandError(f"There is no {what} {value}.", returncode=WRONG_USE)
        return row

    def on_terminal(self) -> bool:
        return sys.stderr.isatty()
