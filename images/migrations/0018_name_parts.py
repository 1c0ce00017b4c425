from itertools import islice

from django.db import migrations, transaction
from django.db.models.constants import OnConflict

from images.naming_index import parts_of

# Scans of one transaction. Their parts go in the order of the table's key: a page of it is read once, and not for each part.
BATCH = 10_000
# Rows of one statement.
AT_ONCE = 5_000


def index_names(apps, editor):
    """Batch by batch, each in a transaction of its own; begun again, it passes over what is there."""
    scan, part = apps.get_model("images", "Image"), apps.get_model("images", "NamePart")
    connection, done = editor.connection, 0
    rows = scan.objects.filter(erased_at__isnull=True).order_by("pk").values_list("pk", "project", "file_name")
    statement = _insert(connection, part)
    while batch := list(rows.filter(pk__gt=done)[:BATCH]):
        found = iter(sorted((of, code, pk) for pk, of, name in batch for code in parts_of(name)))
        with transaction.atomic(), connection.cursor() as cursor:
            while some := list(islice(found, AT_ONCE)):
                if connection.vendor == "postgresql":
                    cursor.execute(statement, [list(column) for column in zip(*some, strict=True)])
                else:
                    cursor.executemany(statement, some)
        done = batch[-1][0]


def _insert(connection, model):
    """Plain values: `bulk_create` takes ten times as long over millions. For PostgreSQL, which would parse the statement anew for
    each row, an array of each column."""
    ops, fields = connection.ops, [model._meta.get_field(name) for name in ("project", "code", "scan")]
    columns = ", ".join(ops.quote_name(field.column) for field in fields)
    start = ops.insert_statement(on_conflict=OnConflict.IGNORE)
    end = ops.on_conflict_suffix_sql(fields, OnConflict.IGNORE, [], [])
    arrays = "SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[])"
    values = arrays if connection.vendor == "postgresql" else "VALUES (%s, %s, %s)"
    return f"{start} {ops.quote_name(model._meta.db_table)} ({columns}) {values} {end}"


class Migration(migrations.Migration):
    """Scans that were there before the index are found by parts of their names, too."""

    atomic = False
    dependencies = [("images", "0017_scan_indexes")]

    operations = [
        migrations.RunPython(index_names, migrations.RunPython.noop),
    ]
