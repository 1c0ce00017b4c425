"""The words of statistics and of training, each with an explanation that a doctor can use: the one home of both. Pages show them
with `{% term "auroc" %}` or, where the word stands there already, with `{% explain "auroc" %}`."""

from mediscan_site.front.terms.making import MAKING
from mediscan_site.front.terms.measuring import MEASURING
from mediscan_site.front.terms.word import Term

TERMS = MEASURING | MAKING

__all__ = ["TERMS", "Term"]
