"""What the page of a referred scan takes. Parsing only: the rules are in the services."""

from typing import Any

from labeling.reading.forms import LabelForm


class OwnReadForm(LabelForm):
    """A class, or a reason why the scan is ungradable, and the version of the scan that the doctor saw."""

    def arguments(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            "label_class": data["label_class"],
            "ungradable": data["ungradable"],
            "comment": data["comment"],
            "expected_version": data["version"],
        }
