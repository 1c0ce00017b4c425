"""The loop, step by step, through the HTTP API: what doctors and an admin do with a project from its first scan to its history."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mediscan_site.front.demo.client import POLL_S, Api, ApiError, Json
from mediscan_site.front.demo.scans import DemoData, SingleScan, negative, noise

IMPORT_LIMIT_S = 900
COMPARE_LIMIT_S = 900
TRAIN_LIMIT_S = 3600
EVALUATE_LIMIT_S = 600
REVIEW_BATCH = 1000

Tell = Callable[[float, str], None]


@dataclass
class Story:
    """The people, their scans, and the results so far."""

    admin: Api
    author: Api
    colleague: Api
    data: DemoData
    tell: Tell
    project: Json = field(default_factory=dict)
    single_ids: list[int] = field(default_factory=list)
    batch: Json = field(default_factory=dict)
    model: Json = field(default_factory=dict)
    evaluation: Json = field(default_factory=dict)
    grades: list[Json] = field(default_factory=list)

    @property
    def pk(self) -> int:
        return int(self.project["id"])


def create_project(story: Story) -> str:
    name = f"Demo: {story.data.title}"
    known = [row for row in story.admin.get("projects/", page_size=200)["results"] if row["name"] == name]
    body = {"name": name, "classes": story.data.classes, "modality": "X-ray"}
    story.project = known[0] if known else story.admin.post("projects/", body)
    members = {row["username"] for row in story.admin.get(f"projects/{story.pk}/members/", page_size=200)["results"]}
    for reader in (story.author, story.colleague):
        username = reader.get("users/me/")["username"]
        if username not in members:
            story.admin.post(f"projects/{story.pk}/members/", {"user": username})
    return f"{name}, classes {', '.join(story.data.classes)}"


def upload_files(story: Story) -> str:
    """Every other single file comes with its label, as a doctor may do; the others are labelled in a step of their own."""
    created = 0
    for number, scan in enumerate(story.data.singles):
        body = {"project": story.pk, "split": scan.split, "patient": scan.patient}
        if number % 2 == 0:
            body["label"] = scan.label
        row = story.author.post("images/", body, files={"file": (scan.name, scan.data)})
        story.single_ids.append(row["id"])
        created += not row.get("duplicate", False)
        story.tell((number + 1) / len(story.data.singles), scan.name)
    return f"{len(story.data.singles)} files, {created} new"


def upload_zip(story: Story) -> str:
    job = story.author.post("imports/", {"project": story.pk}, files={"file": ("scans.zip", story.data.archive)})
    story.batch = story.author.wait_for(
        f"imports/{job['id']}/",
        limit_s=IMPORT_LIMIT_S,
        on_progress=lambda row: story.tell(row["progress"], f"{row['done']} of {row['total']}"),
    )
    counts = ", ".join(f"{story.batch[key]} {key}" for key in ("created", "duplicates", "rejected"))
    first = story.batch["errors"][:1]
    return f"{story.batch['total']} scans: {counts}" + (f" (first: {first[0]['detail']})" if first else "")


def label(story: Story) -> str:
    labelled = 0
    for pk, scan in zip(story.single_ids, story.data.singles, strict=True):
        if story.author.get(f"images/{pk}/")["label"] is None:
            story.author.post("labels/", {"image": pk, "label": scan.label})
            labelled += 1
    return f"{labelled} labelled by dr001, the others came with a label"


def approve(story: Story) -> str:
    """The colleague approves what is pending: the single files by id, the ZIP as a whole."""
    pending = _pending(story)
    approved = 0
    for start in range(0, len(pending), REVIEW_BATCH):
        batch = pending[start : start + REVIEW_BATCH]
        answer = story.colleague.post("reviews/", {"images": batch, "status": "approved", "expected_count": len(batch)})
        approved += sum(bool(row["ok"]) for row in answer["results"])
        story.tell((start + len(batch)) / len(pending), f"{approved} approved")
    return f"{approved} of {len(pending)} pending labels approved by dr002 (four eyes)"


def _pending(story: Story) -> list[int]:
    keys: list[int] = []
    page = story.colleague.get(
        "images/", project=story.pk, label_status="labeled", approval_status="pending", page_size=200
    )
    while True:
        keys += [row["id"] for row in page["results"]]
        if not page["next"]:
            return keys
        page = story.colleague.get(page["next"])


def freeze(story: Story) -> Json:
    """The data set. While a busy machine still looks for copies among the new scans, ask again, as the answer says."""
    deadline = time.monotonic() + COMPARE_LIMIT_S
    while True:
        try:
            return story.admin.post("datasets/", {"project": story.pk})
        except ApiError as refused:
            if refused.code != "comparison_pending" or time.monotonic() > deadline:
                raise
        story.tell(0.0, "new scans are compared with the others")
        time.sleep(POLL_S)


def train(story: Story) -> str:
    dataset = freeze(story)
    known = [
        row
        for row in story.admin.get("models/", project=story.pk, page_size=200)["results"]
        if row["labeled_dataset"] == dataset["dataset_id"]
    ]
    if known:
        story.model = known[0]
        return f"{story.model['model_id']} was trained on {dataset['dataset_id']} before"
    # A tour should be short: one network, where the recipe would train several if they are cheap.
    asked = {"project": story.pk, "dataset": dataset["id"], "pretrained": "auto", "members": 1}
    run = story.admin.post("training-runs/", asked)
    done = story.admin.wait_for(
        f"training-runs/{run['id']}/",
        limit_s=TRAIN_LIMIT_S,
        on_progress=lambda row: story.tell(row["progress"], row["message"]),
    )
    story.model = story.admin.get(f"models/{done['model']}/")
    best = f"{done['architecture']}, {len(done['metrics'])} epochs on {dataset['dataset_id']}"
    return f"{story.model['model_id']} {story.model['version']}: {best}"


def evaluate(story: Story) -> str:
    job = story.admin.post(f"models/{story.model['model_id']}/evaluate/")
    story.evaluation = story.admin.wait_for(
        f"evaluations/{job['id']}/",
        limit_s=EVALUATE_LIMIT_S,
        on_progress=lambda row: story.tell(row["progress"], "reading the test split"),
    )
    accuracy, auroc = (story.evaluation["metrics"][key] for key in ("balanced_accuracy", "auroc"))
    return (
        f"balanced accuracy {_interval(accuracy)}, AUROC {_interval(auroc)}, reading {story.evaluation['test_reads']}"
    )


def _interval(metric: Json) -> str:
    if metric["value"] is None:
        return f"not available ({metric.get('reason', 'too few cases')})"
    return f"{metric['value']:.3f} (95 % {metric['low']:.3f}-{metric['high']:.3f})"


def deploy(story: Story) -> str:
    path = f"models/{story.model['model_id']}/deploy/"
    try:
        story.admin.post(path)
    except ApiError as refused:
        if refused.code != "gate_refused":
            raise
        story.admin.post(path, {"override_reason": "demonstration of the loop on the user's own scans"})
        return f"{story.model['model_id']}, over the gate's refusal"
    return f"{story.model['model_id']} serves"


def grade(story: Story) -> str:
    answers = []
    for scan in story.data.to_grade:
        row = _grade_one(story, scan)
        story.grades.append(row)
        answers.append(_answer(row))
    return "; ".join(answers)


def _grade_one(story: Story, scan: SingleScan) -> Json:
    row = story.author.post("grades/", {"project": story.pk}, files={"file": (scan.name, scan.data)})
    if row["status"] != "succeeded":
        row = story.author.wait_for(f"grades/{row['id']}/", limit_s=120, on_progress=lambda _: None)
    story.author.download(row["heatmap"])
    return row


def _answer(row: Json) -> str:
    verdict = "referred" if row["decision"] == "refer" else row["label"]
    return f"{verdict} ({row['confidence']:.2f})"


def refer(story: Story) -> str:
    """Pictures that no model can know: the doctor gets them back, and reads why."""
    first = story.data.to_grade[0]
    told = []
    for what, data in (("noise", noise()), ("a negative", negative(first.data))):
        row = _grade_one(story, replace(first, name=f"{what}.jpg", data=data))
        why = " ".join(entry["sentence"] for entry in row["reason_sentences"])
        told.append(f"{what}: {'referred: ' + why.rstrip('.') if row['decision'] == 'refer' else row['label']}")
    return "; ".join(told)


def feedback(story: Story) -> str:
    """Right where the grade agrees with what the scan is; wrong with the class where it does not."""
    wrong = 0
    for scan, row in zip(story.data.to_grade, story.grades, strict=True):
        truth = scan.label or row["prediction"]
        correct = truth == row["prediction"]
        wrong += not correct
        body = {"grade": row["id"], "correct": correct, "comment": "demo"}
        story.author.post("feedback/", body if correct else {**body, "correct_label": truth})
    return f"{len(story.grades) - wrong} right, {wrong} wrong"


def history(story: Story) -> str:
    rows = story.author.get("history/", project=story.pk, page_size=200)["results"]
    events = len(story.author.get(f"images/{rows[0]['image']}/timeline/")["results"])
    return f"{len(rows)} graded scans; the newest has {events} events on its timeline"


STEPS: list[tuple[str, Callable[[Story], str]]] = [
    ("create project", create_project),
    ("upload files", upload_files),
    ("upload ZIP", upload_zip),
    ("label", label),
    ("approve", approve),
    ("train", train),
    ("evaluate", evaluate),
    ("deploy", deploy),
    ("grade", grade),
    ("refer", refer),
    ("feedback", feedback),
    ("history", history),
]
