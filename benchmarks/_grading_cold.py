"""In the environment of a site: load what serves as a worker that starts does, then grade stored scans one by one."""

import json
import statistics
import time

import django

WARM = 15


def main() -> None:
    django.setup()
    from images.models import Image
    from mediscan_site.core import waking
    from mediscan_site.core.models import User
    from models_registry.grades import worker
    from models_registry.grades.services import request_grade

    # The site's own worker must not be told: this process is the worker.
    waking.send_now = lambda task, pk: None
    user, scans = User.objects.get(username="bench"), list(Image.objects.select_related("project")[: WARM + 1])
    worker.warm_up(0)
    seconds = []
    for scan in scans:
        grade = request_grade(actor=user, project=scan.project, image=scan)
        began = time.perf_counter()
        worker.run_grade(grade.pk)
        seconds.append(time.perf_counter() - began)
        grade.refresh_from_db()
        if grade.status != "succeeded":
            raise SystemExit(grade.error)
    first, warm = 1000 * seconds[0], 1000 * statistics.median(seconds[1:])
    print(json.dumps({"cold_start_ms": round(first, 1), "cold_start_vs_warm": round(first / warm, 2)}))


if __name__ == "__main__":
    main()
