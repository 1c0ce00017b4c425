import numpy as np

from images.models import Image, Split
from images.renditions import tile
from models_registry.inference.preprocess import shrink
from training.process import tiles


def test_scans_are_read_in_order_and_shrunk_to_the_picture_size_of_the_run(make_snapshot, monkeypatch):
    monkeypatch.setattr(tiles, "CHUNK", 4)
    snapshot = make_snapshot(6)
    class_ids = [entry["id"] for entry in snapshot.classes]
    counted: list[int] = []
    part = tiles.load(snapshot, Split.TRAIN, class_ids=class_ids, done=counted.append, size=48)
    members = snapshot.members.filter(split=Split.TRAIN).order_by("pk")
    whole = np.stack([tile(Image.objects.select_related("blob").get(pk=member.image_id)) for member in members])
    assert part.tiles.shape == (len(whole), 48, 48)
    assert np.array_equal(part.tiles, shrink(whole, 48))
    assert counted == list(range(1, len(whole) + 1))
    assert part.labels.tolist() == [class_ids.index(member.label_class_id) for member in members]
