"""A preview in lines of text, for the shell. Pure."""

from collections.abc import Iterator, Sequence

from labeling.imports.preview import REJECTED, Group, Preview


def told(found: Preview) -> Iterator[str]:
    """Most important first, a table of the first rows last."""
    yield found.says
    if found.code_page:
        yield f"Names in the ZIP were read as code page {found.code_page}."
    yield f"{found.scans} scans: {found.files['pictures']} pictures, {found.files['dicom']} DICOM."
    for one in found.classes:
        yield f"  {one.name}: {one.files}" + ("" if one.known else "  (no class of the project: refused)")
    if found.unlabeled:
        yield f"  without a label: {found.unlabeled}"
    yield "Splits: " + ", ".join(f"{name} {number}" for name, number in found.splits.items() if number)
    if found.patients:
        yield f"Patients or groups named: {found.patients}"
    yield from _columns(found)
    for group in found.passed_over:
        yield f"Passed over: {group.files} × {group.detail}: {_examples(group)}"
    for group in found.problems:
        yield f"{'Refused' if group.outcome == REJECTED else 'Remark'}: {group.files} × {group.detail} ({_examples(group)})"
    if found.table:
        yield "First rows as understood:"
        yield from _table(found.table)


def _columns(found: Preview) -> Iterator[str]:
    for name in found.labels_files:
        columns = [one for one in found.columns if one.file == name]
        used = ", ".join(f"{one.name} = {one.meaning}" for one in columns if one.meaning)
        unused = ", ".join(one.name for one in columns if not one.meaning)
        yield f"{name}: {used}" + (f". Not used: {unused}" if unused else "")


def _examples(group: Group) -> str:
    return ", ".join(group.examples) + (", …" if group.files > len(group.examples) else "")


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
