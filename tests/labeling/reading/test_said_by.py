"""What each scan keeps of who has spoken of it is compared with its label and its reads, and put right."""

import pytest
from django.core.management import CommandError, call_command

from images.models import Image
from labeling.models import SaidBy
from labeling.reading.labels import label_scan
from labeling.reading.queue import claim_scans
from labeling.reading.said_by import NOBODY, mend, spoken_in, wrong


@pytest.fixture
def read(project, make_scan, author) -> dict[str, Image]:
    """A scan with a label by `author`, one with a read of theirs where two are wanted, and one of which nobody has spoken."""
    scans = {name: make_scan(seed=seed) for seed, name in enumerate(("labelled", "open", "untouched"))}
    said(scans["labelled"], author)
    project.reads_wanted = 2
    project.save()
    said(Image.objects.get(pk=scans["open"].pk), author)
    return scans


def said(scan, reader) -> None:
    label_scan(
        actor=reader,
        image=scan,
        label_class=scan.project.class_rows.get(name="OPACITY"),
        expected_version=scan.version,
    )


def kept() -> dict[int, str]:
    return dict(Image.objects.values_list("pk", "said_by"))


def write(scan, key: str) -> None:
    Image.objects.filter(pk=scan.pk).update(said_by=key)


def test_what_the_site_itself_writes_is_right(read, author, capsys):
    keys = kept()
    assert keys[read["labelled"].pk] == f",{author.pk},"
    assert keys[read["open"].pk] == f"1,{author.pk},"
    assert keys[read["untouched"].pk] == NOBODY
    call_command("check_queues")
    call_command("check_queues", mend=True)
    assert capsys.readouterr().out == "3 scans, 0 wrong.\n" * 2 and kept() == keys


@pytest.mark.parametrize("name", ["labelled", "open", "untouched"])
def test_a_wrong_one_is_told_and_put_right_when_asked(read, colleague, name, capsys):
    keys = kept()
    write(read[name], f",{colleague.pk}," if name == "untouched" else NOBODY)
    assert set(wrong(list(Image.objects.all()))) == {read[name].pk}
    with pytest.raises(CommandError, match=r"3 scans, 1 wrong.*check_queues --mend"):
        call_command("check_queues")
    assert kept() != keys
    call_command("check_queues", mend=True)
    assert "3 scans, 1 wrong, 1 mended." in capsys.readouterr().out
    assert kept() == keys
    call_command("check_queues")


def test_people_whose_row_is_gone_are_told_since_no_queue_would_look_for_them(read, project, colleague):
    before = spoken_in([project])
    SaidBy.objects.all().delete()
    with pytest.raises(CommandError, match="3 scans, 2 wrong"):
        call_command("check_queues")
    call_command("check_queues", mend=True)
    assert set(spoken_in([project])[project.pk]) == set(before[project.pk])
    held = {lease.image_id for lease in claim_scans(actor=colleague, project=project, task="label", n=3)}
    assert held == {read["open"].pk, read["untouched"].pk}


def test_one_that_changed_since_it_was_looked_at_is_left_to_who_changed_it(read):
    scan = read["labelled"]
    write(scan, NOBODY)
    stale = Image.objects.get(pk=scan.pk)
    Image.objects.filter(pk=scan.pk).update(version=stale.version + 1)
    assert not mend(stale) and kept()[scan.pk] == NOBODY
    assert mend(Image.objects.get(pk=scan.pk)) and kept()[scan.pk] != NOBODY
