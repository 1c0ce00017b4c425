"""Celery shells. The work itself is in the `worker` of imports and of exports."""

from labeling.exports import worker as export_worker
from labeling.imports import worker as import_worker
from labeling.models import Export, Import
from mediscan_site.core import work


@work.durable_task(name="labeling.run_import", queue="io", soft_limit_s=6000)
def run_import(pk: int) -> None:
    work.in_turn(Import, pk, import_worker.run)


@work.durable_task(name="labeling.run_export", queue="io", soft_limit_s=6000)
def run_export(pk: int) -> None:
    work.in_turn(Export, pk, export_worker.run)


work.register_sweep(Import, run_import)
work.register_sweep(Export, run_export, closing={"filters": {}})
