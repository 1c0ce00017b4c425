"""Celery shells. The work itself is in `ingest` and `exporting`."""

from labeling import exporting, ingest
from labeling.models import Export, Import
from mediscan_site.core import work


@work.durable_task(name="labeling.run_import", queue="io", soft_limit_s=6000)
def run_import(pk: int) -> None:
    ingest.run(pk)


@work.durable_task(name="labeling.run_export", queue="io", soft_limit_s=6000)
def run_export(pk: int) -> None:
    exporting.run(pk)


work.register_sweep(Import, run_import)
work.register_sweep(Export, run_export)
