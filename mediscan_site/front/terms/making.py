"""Words of how a model is made."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from mediscan_site.front.terms.word import Term

MAKING: Final[dict[str, Term]] = {
    "epochs": Term(
        _("Epochs"),
        _(
            "How many times the model goes through all its training scans. Too few: it has not learnt; too many: it "
            "learns them by heart."
        ),
    ),
    "patience": Term(
        _("Patience"),
        _("How many epochs without any gain on the validation scans are waited for before training ends early."),
    ),
    "learning_rate": Term(
        _("Learning rate"),
        _(
            "How far each mistake moves the model. Too high: it jumps about; too low: it learns hardly at all. The recipe "
            "sets it."
        ),
    ),
    "batch_size": Term(
        _("Batch size"),
        _("How many scans are looked at before the model is corrected once. Larger needs more memory."),
    ),
    "augmentation": Term(
        _("Augmentation"),
        _(
            "Each time a scan is shown it is changed a little: turned, shifted, made lighter. So the model learns the "
            "finding and not the one picture. Mirroring is left out where left and right matter."
        ),
    ),
    "folds": Term(
        _("Folds"),
        _(
            "The scans are dealt into, say, five parts; five helpers each learn from four and answer for the fifth. So "
            "every scan gets an answer from a model that never saw it. It takes about that many times longer."
        ),
    ),
    "members": Term(
        _("Networks"),
        _(
            "Several networks are trained and their answers averaged, as several readers are asked. Steadier, but each "
            "costs its time."
        ),
    ),
    "pretrained": Term(
        _("Transfer learning"),
        _(
            "The network starts from what it learnt on a million everyday pictures instead of from nothing. It usually "
            "learns better from few scans."
        ),
    ),
    "self_supervised": Term(
        _("Learning without labels"),
        _("Before it learns the classes, the network learns from scans without labels what such scans look like."),
    ),
    "architecture": Term(
        _("Architecture"),
        _("The build of the network. A larger one can learn finer things, needs more scans and more time."),
    ),
    "image_size": Term(
        _("Picture size"),
        _(
            "Each scan is shrunk to a square of so many pixels before the model sees it. At 64 px a chest X-ray is a "
            "stamp: small nodules and fine lines are gone. Twice the size takes about four times as long."
        ),
    ),
    "loss": Term(
        _("Loss"),
        _(
            "What training tries to make small: how wrong and how sure of it the model was. When it falls on the training "
            "scans and rises on the validation scans, it has begun to learn by heart."
        ),
    ),
}
