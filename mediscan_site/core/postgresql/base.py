"""`connect_timeout` bounds the handshake and `statement_timeout` the server; libpq has no bound for a silent server or network."""

from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg import errors

SILENT = "the server has not answered for {seconds} seconds"


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> "psycopg.Connection[Any]":
        made: psycopg.Connection[Any] = super().get_new_connection(conn_params)
        seconds = self.settings_dict["ANSWER_S"]
        wait = made.wait

        def bounded(generator: Any, *arguments: Any, **options: Any) -> Any:
            try:
                return wait(generator, *arguments, **{"timeout": seconds, **options})
            except errors._WaitTimeout as error:
                # Nobody knows what it was doing: what comes next must not read the late answer.
                made.pgconn.finish()
                raise psycopg.OperationalError(SILENT.format(seconds=seconds)) from error

        made.wait = bounded  # type: ignore[method-assign, assignment]
        return made
