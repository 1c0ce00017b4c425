"""The whole mission through the protocol's names, with JWT, against the real site and its real workers."""

import time

import pytest
import requests

from images import phantoms
from tests.conftest import PATIENCE_S
from tests.story.conftest import CLASSES, Site, jpeg, phantom_zip

pytestmark = pytest.mark.story


def test_the_loop_runs_through_the_names_of_the_seed(site):
    boss, author, colleague = (site.as_user(name) for name in ("boss", "dr001", "dr002"))
    project = boss("POST", "/api/createProject", json={"name": "Story", "classes": CLASSES}, expect=201)["id"]
    for name in ("dr001", "dr002"):
        boss("POST", f"/api/v1/projects/{project}/members/", json={"user": name}, expect=201)

    unlabelled = _upload(author, project, seed=901, opacity=True)
    assert (unlabelled["label_status"], unlabelled["approval_status"]) == ("unlabeled", "pending")
    labelled = _upload(author, project, seed=902, opacity=False, label="NORMAL", expect=201)
    assert (labelled["label"], labelled["annotator"]) == ("NORMAL", "dr001")
    again = _upload(author, project, seed=902, opacity=False, expect=200)
    assert (again["id"], again["duplicate"]) == (labelled["id"], True)

    files = {"file": ("set.zip", phantom_zip(24, 2, seed=5))}
    job = author("POST", "/api/upload", data={"project": project}, files=files, expect=202)
    done = author.wait(f"/api/v1/imports/{job['id']}/")
    assert (done["status"], done["created"], done["rejected"]) == ("succeeded", 48, 0), done

    listed = author("GET", "/api/get_image_list", params={"project": project, "page_size": 200})["results"]
    assert len(listed) == 50
    modified = author("POST", f"/api/modify_image/{unlabelled['image_id']}", json={"label": "OPACITY"})
    assert modified["label"] == "OPACITY"
    assert (
        author("POST", f"/api/set_image/{labelled['id']}", json={"use_for_training": False})["use_for_training"]
        is False
    )
    author("POST", f"/api/approve/{unlabelled['id']}", json={"status": "approved"}, expect=403)
    approved = colleague("POST", f"/api/approve/{unlabelled['id']}", json={"status": "approved"}, expect=(200, 201))
    assert approved["status"] == "approved"
    waiting = [row["id"] for row in listed if row["id"] not in (unlabelled["id"], labelled["id"])]
    answer = colleague("POST", "/api/v1/reviews/", json={"images": waiting, "status": "approved", "expected_count": 48})
    assert all(row["ok"] for row in answer["results"])

    picture = author("GET", f"/api/getImage/{labelled['image_id']}")
    assert picture.content == jpeg(phantoms.phantom(902, 0, False))
    described = author("GET", f"/api/getImage/{labelled['id']}", headers={"Accept": "application/json"})
    assert described["image_id"] == labelled["image_id"]

    author("POST", "/api/train", json={"project": project}, expect=403)
    options = {"project": project, "image_size": 32, "epochs": 3, "pretrained": "false"}
    run = boss("POST", "/api/train", json=options, expect=202)
    boss("POST", "/api/train", json=options, expect=409)
    trained = boss.wait(f"/api/v1/training-runs/{run['id']}/")
    assert trained["status"] == "succeeded", trained
    assert [row["epoch"] for row in trained["metrics"]] == [1, 2, 3]
    assert trained["performance_metrics"].keys() >= {"precision", "recall", "f1_score"}
    model = trained["model"]

    boss("POST", "/api/evaluate", json={"project": project}, expect=409)
    reading = boss("POST", "/api/evaluate", json={"model": model}, expect=202)
    evaluated = boss.wait(f"/api/v1/evaluations/{reading['id']}/")
    assert (evaluated["status"], evaluated["test_reads"]) == ("succeeded", 2)
    author("POST", "/api/grade", data={"project": project}, files={"file": ("a.jpg", b"x")}, expect=(400, 409))
    boss("POST", f"/api/deploy/{model}", json={"override_reason": "a three-epoch model of a test"})

    new = ("new.jpg", jpeg(phantoms.phantom(7777, 0, True)))
    asked = {"data": {"project": project}, "files": {"file": new}, "params": {"wait": 60}}
    grade = author("POST", "/api/grade", **asked, expect=(201, 202))
    grade = author.wait(f"/api/v1/grades/{grade['id']}/")
    assert grade["prediction"] in CLASSES
    assert abs(sum(grade["probabilities"].values()) - 1) < 1e-6
    assert grade["label"] == (grade["prediction"] if grade["decision"] == "answer" else None)
    heat = requests.get(
        _absolute(site, grade["heatmap"]), headers={"Authorization": f"Bearer {author.token}"}, timeout=PATIENCE_S
    )
    assert (heat.status_code, heat.headers["Content-Type"]) == (200, "image/png")

    other = next(name for name in CLASSES if name != grade["prediction"])
    body = {"grade": grade["id"], "correct": False, "correct_label": other, "comment": "seen otherwise"}
    author("POST", "/api/feedback", json=body, expect=201)
    graded = author("GET", "/api/history", params={"project": project})["results"]
    assert [row["prediction"] for row in graded] == [grade["prediction"]]
    proposed = author("GET", f"/api/v1/images/{grade['image']}/")
    assert (proposed["label"], proposed["approval_status"], proposed["annotator"]) == (other, "pending", "dr001")

    _everything_is_audited(boss)
    checked = site.manage("verify_audit")
    assert checked.returncode == 0, checked.stderr
    images = site.manage("verify_images")
    assert images.returncode == 0, images.stderr


def _upload(caller, project: int, *, seed: int, opacity: bool, expect: int = 201, **fields: str):
    picture = jpeg(phantoms.phantom(seed, 0, opacity))
    body = {"project": project, "patient": f"S{seed}", **fields}
    return caller("POST", "/api/upload", data=body, files={"file": (f"{seed}.jpg", picture)}, expect=expect)


def _absolute(site: Site, url: str) -> str:
    return url if url.startswith("http") else site.root + url


def _everything_is_audited(boss) -> None:
    """A sealer chains the events within a second or so."""
    wanted = {"login", "scan.upload", "review.create", "model.deploy", "grade.request"}
    deadline = time.monotonic() + PATIENCE_S
    while wanted - _audited(boss) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert wanted - _audited(boss) == set()


def _audited(boss) -> set[str]:
    """The actions of all events, page by page."""
    page = boss("GET", "/api/v1/audit/", params={"page_size": 200})
    seen = {row["action"] for row in page["results"]}
    while page["next"]:
        page = boss("GET", page["next"].removeprefix(boss.root))
        seen |= {row["action"] for row in page["results"]}
    return seen
