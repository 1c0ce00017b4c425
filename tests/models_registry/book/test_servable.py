"""What MLflow can serve of a version: the same answers as the site's, from plain files."""

import base64
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import yaml
from PIL import Image

from mediscan_site.core.storage import blobs
from models_registry.book import loader, servable
from models_registry.inference.bundle import BundleError
from models_registry.inference.looks import Look
from models_registry.inference.names import COLOUR, GREY, LETTERBOX, SQUASH, WINDOWS
from models_registry.inference.pictures import ReferenceView, reference_tiles
from models_registry.inference.preprocess import Preprocess
from models_registry.versions import serving

# Run by an interpreter that knows nothing of this checkout.
ASK = """
import json, sys
import mlflow.pyfunc
import pandas
from pathlib import Path
model = mlflow.pyfunc.load_model(sys.argv[1])
sent = json.loads(Path(sys.argv[2]).read_text())
import models_registry.book.loader as loader
print(json.dumps({
    "pictures": model.predict(pandas.DataFrame(sent["pictures"])),
    "numbers": model.predict(__import__("numpy").array(sent["numbers"])),
    "code": loader.__file__,
    "django": "django" in sys.modules,
}))
"""


def as_png(tile, mode: str = "L") -> str:
    out = io.BytesIO()
    Image.fromarray(tile).convert(mode).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


@pytest.fixture
def folder(make_version, tmp_path):
    """A version, and its folder as the laboratory book gets it."""
    model = make_version(threshold=0.6)
    for name, data in servable.files(model, blobs.read(model.bundle)).items():
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return model, tmp_path / "model"


@pytest.mark.django_db
def test_mlflow_answers_as_the_site_does_with_the_code_beside_the_bundle(folder, tmp_path):
    model, place = folder
    tiles = reference_tiles()
    sent = tmp_path / "sent.json"
    sent.write_text(json.dumps({"pictures": {"image": [as_png(tile) for tile in tiles]}, "numbers": tiles.tolist()}))
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", ASK, place, sent], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["code"] == str(place / "code" / "models_registry" / "book" / "loader.py")
    assert told["django"] is False
    predictor = serving.predictor(model)
    expected = predictor.predict(tiles)
    names = [entry["name"] for entry in model.classes]
    for answers in (told["pictures"], told["numbers"]):
        shares = [[answer["probabilities"][name] for name in names] for answer in answers]
        np.testing.assert_allclose(shares, expected.probabilities, atol=1e-6, rtol=0)
        for place_of, (answer, share) in enumerate(zip(answers, expected.probabilities, strict=True)):
            assert answer["prediction"] == names[int(share.argmax())]
            assert answer["confidence"] == pytest.approx(share.max(), abs=1e-6)
            assert answer["decision"] == predictor.decide(expected, place_of).decision


# The same interpreter, with what MLflow was told of the input: a signature, and an example that it must accept.
ASK_IN_COLOUR = """
import json, sys
import mlflow.pyfunc
import pandas
from mlflow.models import Model
from pathlib import Path
model = mlflow.pyfunc.load_model(sys.argv[1])
sent = json.loads(Path(sys.argv[2]).read_text())
known = Model.load(sys.argv[1])
try:
    model.predict(pandas.DataFrame({"picture": sent}))
except Exception as error:
    refused = str(error)
print(json.dumps({
    "answers": model.predict(pandas.DataFrame({"image": sent})),
    "example": model.predict(known.load_input_example(sys.argv[1])),
    "inputs": [(column.name, column.required) for column in model.metadata.get_input_schema()],
    "refused": refused,
    "django": "django" in sys.modules,
}))
"""


@pytest.mark.django_db
def test_mlflow_takes_pictures_of_any_size_for_what_sees_colours_and_answers_as_the_site_does(make_version, tmp_path):
    look = Look(COLOUR, LETTERBOX)
    model = make_version(preprocess=Preprocess(40, (0.5, 0.4, 0.3), (0.2, 0.2, 0.1), 3, look))
    place = tmp_path / "model"
    for name, data in servable.files(model, blobs.read(model.bundle)).items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    views = [np.random.default_rng(seed).integers(0, 256, (50, 90, 3), dtype=np.uint8) for seed in (1, 2)]
    sent = tmp_path / "sent.json"
    sent.write_text(json.dumps([as_png(view, "RGB") for view in views]))
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", ASK_IN_COLOUR, place, sent],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    predictor = serving.predictor(model)
    tiles = np.stack([np.asarray(Image.fromarray(one).convert("L").resize((256, 256), 2)) for one in views])
    pixels = predictor.manifest.preprocess.pixels([ReferenceView(one) for one in views])
    expected = predictor.predict(tiles, pixels).probabilities
    shares = [list(answer["probabilities"].values()) for answer in told["answers"]]
    np.testing.assert_allclose(shares, expected, atol=1e-6, rtol=0)
    assert len(told["example"]) == 1
    optional = [[name, False] for name in ("slope", "intercept", "window_low", "window_high")]
    assert told["inputs"] == [["image", True], *optional]
    assert "image" in told["refused"]
    assert told["django"] is False


@pytest.mark.django_db
@pytest.mark.parametrize(
    "look", [Look(GREY, LETTERBOX), Look(COLOUR), Look(WINDOWS, SQUASH, ((40.0, 400.0),))], ids=lambda look: look.sees
)
def test_the_example_of_every_look_is_one_that_it_reads(make_version, look):
    levels = (0.5,) * look.channels if look.channels > 1 else 0.5
    model = make_version(preprocess=Preprocess(40, levels, levels, look.channels, look))
    files = servable.files(model, blobs.read(model.bundle))
    table = json.loads(files["input_example.json"])
    assert json.loads(files["serving_input_example.json"]) == {"dataframe_split": table}
    columns = {name: Column([value]) for name, value in zip(table["columns"], table["data"][0], strict=True)}
    (answer,) = loader.Servable(serving.predictor(model)).predict(Frame(columns))
    assert answer["intended_use"]


@pytest.mark.django_db
def test_a_folder_that_was_changed_is_not_loaded(folder):
    _, place = folder
    bundle = place / "bundle.mediscan"
    data = bytearray(bundle.read_bytes())
    data[-1] ^= 1
    bundle.write_bytes(bytes(data))
    with pytest.raises(BundleError, match="fetch the model again"):
        loader._load_pyfunc(str(place))


@pytest.mark.django_db
def test_an_uncalibrated_model_gives_no_confidence_and_refers(make_version):
    model = make_version(calibrated=False)
    (answer,) = loader.Servable(serving.predictor(model)).predict(reference_tiles()[1])
    assert (answer["confidence"], answer["decision"], answer["reasons"]) == (None, "refer", ["not_calibrated"])


@pytest.mark.django_db
def test_the_recipe_names_the_packages_and_no_pickle(folder):
    model, place = folder
    recipe = yaml.safe_load((place / "MLmodel").read_text())
    assert recipe["flavors"].keys() == {"python_function"}
    assert recipe["metadata"]["bundle_sha256"] == model.bundle_sha256
    assert {line.split("==")[0] for line in (place / "requirements.txt").read_text().split()} == set(servable.PACKAGES)
    files = {path.suffix for path in place.rglob("*") if path.is_file()}
    assert files == {"", ".mediscan", ".json", ".py", ".txt", ".yaml"}


class Frame(dict):
    """As much of a pandas frame as the loader asks for."""

    @property
    def columns(self):
        return self.keys()


class Column(list):
    def tolist(self):
        return list(self)


TILE = np.zeros((256, 256), dtype=np.uint8)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (Frame(tile=Column([as_png(TILE)])), 'no column "image"'),
        (Frame(image=Column([])), "1 to 256 pictures"),
        (Frame(image=Column([as_png(TILE[:100])])), "has 256 by 100 pixels of the mode L"),
        (Frame(image=Column([as_png(TILE, "RGB")])), "of the mode RGB"),
        (Frame(image=Column(["no base64!"])), "Picture 1 cannot be read"),
        (Frame(image=Column([as_png(TILE), base64.b64encode(b"GIF89a").decode()])), "Picture 2 cannot be read"),
        (Frame(image=Column([as_png(TILE)[:80]])), "Picture 1 cannot be read"),
        (Frame(image=Column([7])), "Picture 1 cannot be read"),
        (np.zeros((2, 100, 100), dtype=np.int64), r"shape is \(2, 100, 100\)"),
        (np.zeros((0, 256, 256), dtype=np.int64), "shape is"),
        (np.zeros(256, dtype=np.int64), "shape is"),
        (np.full((256, 256), 0.5), "not grey levels"),
        (np.full((256, 256), 256), "not grey levels"),
        (np.full((256, 256), -1), "not grey levels"),
        ([[1, 2], [3]], "Send either"),
        ({"image": "x"}, "shape is"),
        (None, "shape is"),
    ],
)
def test_what_is_no_tile_is_refused_with_what_would_be(given, told):
    with pytest.raises(loader.NotTiles, match=told) as refused:
        loader.tiles(given)
    assert "256" in str(refused.value)


def test_one_tile_or_several_are_taken_as_they_are():
    ramp = np.tile(np.arange(256, dtype=np.int64), (256, 1))
    assert np.array_equal(loader.tiles(ramp.tolist()), ramp[None])
    assert np.array_equal(loader.tiles(Frame(image=Column([as_png(ramp.astype(np.uint8))]))), ramp[None])
