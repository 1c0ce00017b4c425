"""What a version's confidence is based on, in sentences and per class: for its card and its page. Nothing is measured here."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from models_registry.models import ModelVersion

_ORIGINS: Final = {
    "held out": "a part of validation, by group, that chose nothing",
    "validation, cross-fitted": "all of validation, which also chose the epoch; figures are cross-fitted by group",
    "out of fold": "each scored by networks that did not train on its group, {as_served}",
}
_AS_SERVED: Final = "as many as serve"
_SINGLE: Final = "one for each: what serves is the mean of several, which is less sure of itself"


_SAID: Final = {
    "validation": "validation scans {}",
    "mild": "the same mildly changed {}",
    "turned_left": "turned to the left {}",
    "upside_down": "upside down {}",
    "turned_right": "turned to the right {}",
    "inverted": "inverted {}",
}


def told(model: ModelVersion) -> dict[str, Any]:
    """All of it, by the names that the page of a version knows."""
    return {"confidence": lines(model), "confidence_rows": rows(model), "limits": limits(model)}


def limits(model: ModelVersion) -> list[str]:
    """Sentences about what the version knows of its own limits: whether it notices a scan unlike those it learned from."""
    found = model.calibration.get("knowing")
    if not found:
        return [
            "It does not tell whether a scan resembles those it learned from: it was made before this was measured."
        ]
    if found["reason"]:
        head = f"It cannot tell whether a scan resembles those it learned from: {found['reason']}."
        return [f"{head} It may answer pictures that it cannot know; only pictures of nothing are noticed."]
    measured = found["measured"]
    shares = "; ".join(said.format(_percent(measured[name])) for name, said in _SAID.items() if name in measured)
    postures = [name.replace("_", " ") for name in found["postures"]]
    told = (
        f"It notices a scan that is {', '.join(postures)}."
        if postures
        else "Its scans lie any way: none looks turned to it."
    )
    return [
        f"It refers scans that do not resemble the {found['n']} that it learned from, as measured on {found['n_validation']} "
        "validation scans.",
        f"Referred for it: {shares}.",
        told,
    ]


def lines(model: ModelVersion) -> list[str]:
    """Sentences about temperature, prevalence, calibration error, refer threshold and prediction sets."""
    calibration = model.calibration
    if calibration.get("temperature") is None:
        reason = calibration.get("reason") or "too few calibration scans"
        return [f"Not calibrated ({reason}): no confidence is shown, and every scan is referred."]
    sentences = (
        _temperature(model),
        _prevalence(model),
        _errors(calibration),
        _referral(calibration),
        _sets(calibration),
    )
    return [line for line in sentences if line]


def rows(model: ModelVersion) -> list[dict[str, Any]]:
    """Per class: shares in training, in calibration and as expected, and the prediction sets' thresholds with their basis."""
    prior, sets = model.calibration.get("prior") or {}, model.calibration.get("conformal") or {}
    if not prior:
        return []
    marginal, own = sets.get("marginal") or {}, sets.get("class_conditional") or {}
    columns = {
        "training": prior.get("training"),
        "calibration": prior.get("calibration"),
        "expected": prior.get("expected"),
        "n": marginal.get("n"),
        "marginal": marginal.get("thresholds"),
        "marginal_coverage": marginal.get("by_class"),
        "own": own.get("thresholds"),
        "own_coverage": own.get("by_class"),
    }
    return [
        {"class": entry["name"], **{name: values[place] if values else None for name, values in columns.items()}}
        for place, entry in enumerate(model.classes)
    ]


def _temperature(model: ModelVersion) -> str:
    calibration = model.calibration
    unit = "patients" if model.snapshot.grouping == "patient" else "groups"
    groups = f" of {calibration['n_groups']} {unit}" if calibration.get("n_groups") else ""
    origin = _ORIGINS.get(str(calibration.get("origin")), "").format(as_served=_as_served(model))
    where = f" ({origin})" if origin else ""
    if calibration["temperature"] == 1:
        fitted = f"as fitted ones did not help scans that they had not seen; measured on {calibration.get('n')} scans"
        return f"Temperature 1, {fitted}{groups}{where}."
    return f"Temperature {calibration['temperature']:.3f}, fitted on {calibration.get('n')} scans{groups}{where}."


def _as_served(model: ModelVersion) -> str:
    """Whether the calibration is of what serves. Earlier versions do not say how many networks theirs is of: it was one."""
    serving = model.card.get("training", {}).get("members", 1)
    return _AS_SERVED if (model.calibration.get("networks") or 1) == serving else _SINGLE


def _prevalence(model: ModelVersion) -> str:
    calibration = model.calibration
    prior = calibration.get("prior")
    if not prior or not prior.get("calibration"):
        shares = calibration.get("prevalence")
        return f"Trained at a prevalence of {_shares(model, shares)}." if shares else ""
    at = f"Calibrated at a prevalence of {_shares(model, prior['calibration'])}"
    if prior.get("expected"):
        return f"{at}, corrected to the expected {_shares(model, prior['expected'])}."
    return f"{at}. No prevalence is expected: the probabilities are those of equally frequent classes, as training showed them."


def _shares(model: ModelVersion, shares: Sequence[float]) -> str:
    return ", ".join(f"{entry['name']} {_percent(share)}" for entry, share in zip(model.classes, shares, strict=False))


def _percent(share: float) -> str:
    return f"{share * 100:.3g}%"


def _errors(found: Mapping[str, Any]) -> str:
    if found.get("ece_after") is None:
        return f"Calibration error: not available ({found['note']})." if found.get("note") else ""
    return (
        f"Calibration error (ECE) {found['ece_before']:.3f} before and {found['ece_after']:.3f} after, "
        f"NLL {found['nll_before']:.3f} and {found['nll_after']:.3f}, measured on {found['n']} scans by fits on others."
    )


def _referral(found: Mapping[str, Any]) -> str:
    referral = found.get("referral")
    if not referral:
        return ""
    head = f"It answers from a confidence of {referral['threshold']:.3f} on"
    if referral.get("measured_accuracy") is None:
        return f"{head}, chosen to answer {_percent(referral['coverage_target'])} of the scans."
    return (
        f"{head}: measured coverage {_percent(referral['measured_coverage'])} "
        f"(wanted {_percent(referral['coverage_target'])}), accuracy {_percent(referral['measured_accuracy'])} "
        f"among the answered (n = {referral['n']})."
    )


def _sets(found: Mapping[str, Any]) -> str:
    sets = found.get("conformal")
    if not sets:
        return ""
    head = f"Prediction sets for a coverage of {_percent(sets['target'])}"
    within, overall = sets["class_conditional"], sets["marginal"]
    if within["thresholds"]:
        return f"{head} within each class: {_measured(within)}."
    if overall["thresholds"]:
        return f"{head} over all scans: {_measured(overall)}. Not available within each class ({within['reason']})."
    return f"{head}: not available ({overall['reason']})."


def _measured(rule: Mapping[str, Any]) -> str:
    if rule["coverage"] is None:
        return f"coverage not measured ({rule['note']})"
    return (
        f"measured coverage {_percent(rule['coverage'])}, {rule['mean_size']:.2f} classes on average, "
        f"one class for {_percent(rule['singletons'])} of the scans (n = {sum(rule['n'])})"
    )
