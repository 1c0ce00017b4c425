"""The model card: what is known about a version, as JSON and as text to read. Facts of the training are frozen with the version;
the figures are those of its latest evaluation."""

from collections.abc import Mapping
from typing import Any

from images.models import RESEARCH_USE, Split
from labeling.models import Snapshot, SnapshotMember
from models_registry.inference.looks import Look
from models_registry.models import Evaluation, ModelVersion
from models_registry.versions import conduct, confidence, graphs
from models_registry.versions.class_changes import since_training

_FIGURES = ("balanced_accuracy", "accuracy", "auroc", "sensitivity", "specificity", "f1", "ece", "coverage")


def build(model: ModelVersion, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is frozen when a version is registered: the project's wording at that time, its data set, what it
    sees (`preprocess` of its manifest), and the training's facts."""
    project, snapshot = model.project, model.snapshot
    training = dict(facts)
    preprocess = training.pop("preprocess", {})
    return {
        "research_use": RESEARCH_USE,
        "intended_use": project.intended_use,
        "limitations": project.limitations,
        "project": project.name,
        "modality": project.modality,
        "laterality_matters": project.laterality_matters,
        "dataset": {
            "dataset": snapshot.code,
            "content_hash": snapshot.content_hash,
            "grouping": snapshot.grouping,
            "splits": split_sizes(snapshot),
            "class_counts": snapshot.class_counts,
        },
        "preprocess": preprocess,
        "training": training,
    }


def sees(model: ModelVersion) -> str | None:
    """What it sees of a scan, in words; None of a version whose card does not say."""
    known = model.card.get("preprocess")
    return Look.from_dict(known).words(int(known["size"])) if known else None


def split_sizes(snapshot: Snapshot) -> dict[str, int]:
    """How many scans each side of a data set was frozen with."""
    members = SnapshotMember.objects.filter(snapshot=snapshot)
    return {split.value: members.filter(split=split).count() for split in Split}


def shown(model: ModelVersion) -> dict[str, Any]:
    """The part that a version's page shows."""
    return {**model.card, "classes": [entry["name"] for entry in model.classes], "sees": sees(model)}


def card(model: ModelVersion, evaluation: Evaluation | None) -> dict[str, Any]:
    """The whole card: the frozen part, the calibration, and the latest reading of a test split."""
    return {
        "model": model.code,
        "name": model.name,
        "version": model.version,
        "architecture": model.architecture,
        "classes": [entry["name"] for entry in model.classes],
        "training_date": model.training_date.isoformat(),
        **model.card,
        "sees": sees(model),
        "calibration": model.calibration,
        "metrics": report(evaluation),
        **conduct.card(model),
        "graph": {"precision": graphs.precision(model), "note": graphs.sentence(model)},
        "bundle_sha256": model.bundle_sha256,
    }


def report(evaluation: Evaluation | None) -> dict[str, Any] | None:
    """Figures with what they are based on: data set, grouping, and how often its test split has been read. The points of curves
    stay with the evaluation: they are for drawing, and a list of versions would carry thousands."""
    if evaluation is None:
        return None
    return {
        "evaluation": evaluation.pk,
        "dataset": evaluation.snapshot.code,
        "grouping": evaluation.snapshot.grouping,
        "test_reads": evaluation.test_reads,
        "origin": evaluation.origin,
        **{name: value for name, value in evaluation.metrics.items() if name != "curves"},
    }


def text(model: ModelVersion, evaluation: Evaluation | None) -> str:
    """The card to read, in Markdown."""
    frozen = model.card
    dataset = frozen.get("dataset", {})
    sizes = ", ".join(f"{split} {count}" for split, count in dataset.get("splits", {}).items())
    lines = [
        f"# {model.name}, {model.version} ({model.code})",
        "",
        f"**{RESEARCH_USE}**",
        "",
        "## Intended use",
        str(frozen.get("intended_use") or RESEARCH_USE),
        "",
        "## Limitations",
        str(frozen.get("limitations") or RESEARCH_USE),
        "",
        "## Data set",
        f"{dataset.get('dataset', model.snapshot.code)}: {sizes} scans; grouped by {dataset.get('grouping', 'nothing')}.",
        f"Classes: {', '.join(entry['name'] for entry in model.classes)}.",
        *since_training(model, model.project).sentences,
        "",
        *_sees(model),
        *_speed(frozen.get("training", {})),
        *_graph(model),
        "## Figures",
        *figure_lines(evaluation),
        "",
        "## What it knows of its limits",
        *(line for sentence in confidence.limits(model) for line in (sentence, "")),
        "## Calibration",
        *(line for sentence in confidence.lines(model) for line in (sentence, "")),
        *conduct.lines(model),
    ]
    return "\n".join(lines) + "\n"


def _sees(model: ModelVersion) -> list[str]:
    told = sees(model)
    return ["## What it sees of a scan", f"{told[0].upper()}{told[1:]}.", ""] if told else []


def _graph(model: ModelVersion) -> list[str]:
    """What runs the networks, once that is settled; the card in the graph itself is written before."""
    return [graphs.sentence(model), ""] if graphs.of(model) is not None else []


def _speed(training: Mapping[str, Any]) -> list[str]:
    """What one answer and the training took, where that was measured."""
    if training.get("latency_ms") is None:
        return []
    networks = training.get("members", 1)
    who = "One network" if networks == 1 else f"The mean of {networks} networks"
    took = training.get("seconds")
    return [
        "## Speed",
        f"{who}; one answer took {training['latency_ms']:.0f} ms on one thread where it was trained.",
        *([f"All epochs of the training, those of folds included, took {took:.0f} s."] if took is not None else []),
        "",
    ]


def figure_lines(evaluation: Evaluation | None) -> list[str]:
    """The main figures with their intervals, and what they are based on, as lines to read."""
    if evaluation is None:
        return ["Not evaluated yet."]
    metrics = evaluation.metrics
    head = (
        f"On the test split of {evaluation.snapshot.code} (n = {metrics.get('n', 'unknown')}, "
        f"{metrics.get('n_groups', 'unknown')} groups by {evaluation.snapshot.grouping}); "
        f"reading number {evaluation.test_reads} of it. 95 % intervals."
    )
    return [head, "", *(_figure_line(name, metrics[name]) for name in _FIGURES if name in metrics)]


def _figure_line(name: str, entry: Mapping[str, Any]) -> str:
    label = name.replace("_", " ")
    if entry.get("value") is None:
        return f"- {label}: not available ({entry.get('reason', 'too few cases')})"
    if entry.get("low") is None:
        return f"- {label}: {entry['value']:.3f} ({entry.get('reason', 'no interval')})"
    return f"- {label}: {entry['value']:.3f} ({entry['low']:.3f} to {entry['high']:.3f})"
