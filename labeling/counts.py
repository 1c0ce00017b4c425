"""Labels that somebody gave and has not taken back, by when and by whom: counted by the database (`images.counts`)."""

from images import counts
from images.models import ActivityNumbers
from labeling.models import Label

# Labels that somebody gave here, one by one.
GIVEN = (Label.Source.DOCTOR, Label.Source.ADJUDICATION, Label.Source.FEEDBACK)
KIND = ActivityNumbers.Kind.LABEL

counts.activity(
    {"sql": f"'{KIND.value}'", "of": [KIND.value]},
    "annotation_date",
    f"{{row}}.source IN ({', '.join(repr(source.value) for source in GIVEN)}) AND NOT {{row}}.taken_back",
    name="count_labels",
    source=Label,
    project="{row}.project_id",
    person="COALESCE({row}.reader_id, 0)",
    watched=("project_id", "reader_id", "source", "annotation_date", "taken_back"),
)
