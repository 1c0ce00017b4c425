"""Words of what a model is worth: how right it is, how sure it may be, how well that is known, and what it was measured on."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from mediscan_site.front.terms.word import Term

MEASURING: Final[dict[str, Term]] = {
    "balanced_accuracy": Term(
        _("Balanced accuracy"),
        _(
            "The share it gets right, counted for each class on its own and then averaged. A rare finding counts as much "
            "as a common one: a model that always says “normal” has 50 % here with two classes, however many scans are "
            "normal."
        ),
    ),
    "accuracy": Term(
        _("Accuracy"),
        _(
            "The share of all scans that it gets right. Where 95 of 100 scans are normal, a model that always says "
            "“normal” already has 95 %: look at the other figures too."
        ),
    ),
    "auroc": Term(
        _("AUROC"),
        _(
            "Take one scan with the finding and one without: how often does the model give the first one the higher "
            "probability? 1.0 is always, 0.5 is a coin. It does not depend on where the cut-off is set."
        ),
    ),
    "auprc": Term(
        _("AUPRC"),
        _(
            "How well it picks out the scans with the finding without raising false alarms, over all cut-offs. A guess "
            "reaches the share of scans that have the finding, so 0.4 may be very good for a rare one."
        ),
    ),
    "sensitivity": Term(
        _("Sensitivity"),
        _("Of the scans that have the finding, the share it finds. 0.92 means: of 100 pneumonias it misses 8."),
    ),
    "specificity": Term(
        _("Specificity"),
        _(
            "Of the scans without the finding, the share it leaves alone. 0.90 means: 10 false alarms in 100 healthy "
            "ones."
        ),
    ),
    "precision": Term(
        _("Precision (PPV)"),
        _(
            "When it says “finding”, how often that is true. It falls where the finding is rarer than in the test: in a "
            "screening most alarms may be false although sensitivity and specificity are high."
        ),
    ),
    "npv": Term(
        _("Negative predictive value"),
        _(
            "When it says “no finding”, how often that is true. It rises where the finding is rare, so it is easy to look "
            "good."
        ),
    ),
    "f1": Term(
        _("F1"),
        _(
            "One number for sensitivity and precision together (their harmonic mean). It is high only when both are; it "
            "says nothing about the scans without the finding."
        ),
    ),
    "brier": Term(
        _("Brier score"),
        _(
            "How far its probabilities are from the truth: 0 is perfect, and 0.25 is “50 % each time” with two classes. "
            "Being wrong with 99 % costs much more than with 55 %."
        ),
    ),
    "ece": Term(
        _("Calibration error (ECE)"),
        _(
            "How far its confidence is from how often it is right. Calibrated means: of 100 scans for which it says 90 %, "
            "about 90 are right. 0.05 means it is off by 5 points on average."
        ),
    ),
    "calibration": Term(
        _("Calibration"),
        _(
            "Whether its percentages can be taken at their word: of 100 scans for which it says 90 %, about 90 are right. "
            "It holds for scans like those it was measured on, not for another hospital or another mix of patients."
        ),
    ),
    "confidence": Term(
        _("Confidence"),
        _(
            "The probability the model gives to what it says, after calibration. It is not the probability of the "
            "diagnosis."
        ),
    ),
    "temperature": Term(
        _("Temperature"),
        _(
            "The one number by which its raw outputs are divided so that its percentages become true. Above 1 it was too "
            "sure of itself. It never changes which class comes first."
        ),
    ),
    "coverage": Term(
        _("Share it is certain about"),
        _(
            "The share of scans on which the model commits itself. The rest it gives back: “please read this yourself”. "
            "0.80 means: of 100 scans it gives 20 back to a doctor."
        ),
    ),
    "answered_accuracy": Term(
        _("Right when it is certain"),
        _(
            "Among the scans on which it commits itself, the share it gets right. Read it with the share it is certain "
            "about."
        ),
    ),
    "prediction_set": Term(
        _("Prediction set"),
        _(
            "The classes that cannot be ruled out for a scan. One class: it is clear. Two or more: look at those. The "
            "promise, measured on earlier scans: the true class is in the set about 9 times in 10."
        ),
    ),
    "threshold": Term(
        _("Cut-off"),
        _(
            "The probability from which a scan counts as having the finding. Lower it and fewer findings are missed, but "
            "more healthy scans raise an alarm; raise it and it is the other way round."
        ),
    ),
    "interval": Term(
        _("95 % interval"),
        _(
            "The figure was measured on some patients only. With other patients of the same kind it would lie between "
            "these two numbers, 19 times in 20. A wide interval means: too few scans to be sure."
        ),
    ),
    "p_value": Term(
        _("p, corrected"),
        _(
            "How often a difference this large would turn up if the two models were equally good. Below 0.05 it is called "
            "significant. Corrected: several tests were made, and one of many is soon significant by chance."
        ),
    ),
    "delong": Term(
        _("DeLong’s test"),
        _(
            "Compares two AUROCs that were measured on the same scans. It takes into account that both models saw the "
            "same."
        ),
    ),
    "mcnemar": Term(
        _("McNemar’s test"),
        _(
            "Compares how often two models are right on the same scans. It looks only at the scans on which they differ: "
            "12 that only the new one has right against 3 that only the old one has."
        ),
    ),
    "bootstrap": Term(
        _("Bootstrap over patients"),
        _(
            "The test is repeated a thousand times in the computer, each time with patients drawn anew from those that "
            "are there. How much the figure varies gives its interval. All scans of a patient stay together."
        ),
    ),
    "kappa": Term(
        _("Kappa"),
        _(
            "How far two readers agree beyond what chance would give: 0 is chance, 1 is always. Two readers who both call "
            "90 % normal agree often by chance; kappa takes that away. Above 0.6 is usually called good."
        ),
    ),
    "prevalence": Term(
        _("Prevalence"),
        _(
            "The share of patients who have the finding. A model that was tested where every second patient is ill raises "
            "many more false alarms where one in a hundred is."
        ),
    ),
    "roc": Term(
        _("ROC curve"),
        _(
            "All cut-offs in one picture: to the right the false alarms, upwards the findings that are found. The nearer "
            "it comes to the upper left corner, the better. The diagonal is guessing."
        ),
    ),
    "pr": Term(
        _("Precision-recall curve"),
        _(
            "All cut-offs in one picture: to the right the findings that are found, upwards how many alarms are true. For "
            "a rare finding it shows more honestly than the ROC curve what an alarm is worth."
        ),
    ),
    "confusion": Term(
        _("What doctors said against what the model said"),
        _(
            "Each scan of the test is in one cell. On the diagonal both said the same; every other cell is one kind of "
            "mistake."
        ),
    ),
    "subgroups": Term(
        _("Subgroups"),
        _(
            "The same figures for parts of the test: by sex, age, device. A model may be good on average and poor in one "
            "group. A small group can hide a difference."
        ),
    ),
    "split": Term(
        _("Training, validation and test"),
        _(
            "The scans are dealt into three piles. From the first the model learns, with the second it is chosen and set "
            "up, and the third it never sees: only there it is measured."
        ),
    ),
    "grouping": Term(
        _("Grouping by patient"),
        _(
            "All scans of a patient are in the same pile. Otherwise the model may recognise the patient instead of the "
            "disease, and its figures are too good."
        ),
    ),
    "test_reads": Term(
        _("Readings of the test"),
        _(
            "How often this test has been used. Whoever tries ten models on one test and keeps the best also keeps its "
            "luck: the more often, the less it proves."
        ),
    ),
    "gate": Term(
        _("The gate"),
        _(
            "The check before a version may answer: it must be clearly better than guessing and not worse than the "
            "version it replaces, on scans it has never seen. It can be overridden, with a reason that stays on record."
        ),
    ),
}
