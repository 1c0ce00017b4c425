"""Labels that their reader has taken back say so themselves, where only what took them back told it."""

from collections import defaultdict

from django.db import migrations, models

# Keys are collected here and given to the database: MariaDB would ask a subquery for each of a million labels.
AT_ONCE = 5000


def mark(apps, schema_editor):
    for taken_back in (undone, reads_of_several, hidden_reads, withdrawn):
        for labels in taken_back(apps):
            apps.get_model("labeling", "Label").objects.filter(pk__in=labels).update(taken_back=True)


def slices(rows, *columns):
    """The rows by their keys, some at a time: the key, then these columns."""
    last = 0
    while some := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", *columns)[:AT_ONCE]):
        yield some
        last = some[-1][0]


def undone(apps):
    rows = apps.get_model("labeling", "Decision").objects.filter(undoes__label__isnull=False)
    for some in slices(rows, "undoes__label"):
        yield [label for _, label in some]


def reads_of_several(apps):
    """Those that neither stand open nor are measured by anything."""
    reads = apps.get_model("labeling", "Read").objects
    for some in slices(reads.filter(kind="independent", active=None, against=None, label__isnull=False), "label"):
        yield [label for _, label in some]


def hidden_reads(apps):
    """Of scans that were given again, and gold scans (these have no seat): whoever said something else got a read in place of the
    one before, of the same moment; whoever took it back, one of a later moment, which is forgotten if it is not read."""
    reads = apps.get_model("labeling", "Read").objects.filter(seat=None)
    for some in slices(reads.filter(kind="replaced", label__isnull=False), "label", "image", "reader", "created_at"):
        chains = defaultdict(list)
        of_images = reads.filter(image__in={image for _, _, image, _, _ in some}).order_by("pk")
        for pk, image, reader, at in of_images.values_list("pk", "image", "reader", "created_at"):
            chains[image, reader].append((pk, at))
        following = {
            before[0]: after[1] for chain in chains.values() for before, after in zip(chain, chain[1:], strict=False)
        }
        yield [label for pk, label, _, _, at in some if following.get(pk) != at]


def withdrawn(apps):
    """What the trail says that its own reader withdrew."""
    events, labels = apps.get_model("core", "AuditEvent").objects, apps.get_model("labeling", "Label").objects
    for some in slices(events.filter(action="label.withdraw"), "actor", "details"):
        by = {details["label"]: actor for _, actor, details in some if "label" in details}
        yield [pk for pk, reader in labels.filter(pk__in=by).values_list("pk", "reader") if reader == by[pk]]


class Migration(migrations.Migration):

    dependencies = [
        ('labeling', '0018_doubt_before'),
    ]

    operations = [
        migrations.AddField(
            model_name='label',
            name='taken_back',
            field=models.BooleanField(default=False),
        ),
        migrations.RunPython(mark, migrations.RunPython.noop),
    ]
