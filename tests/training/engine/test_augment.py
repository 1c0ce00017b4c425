"""Random changes leave what a label says of a picture. Each rule below decides the class of a synthetic picture before and
after."""

import math

import pytest
import torch

from models_registry.inference.looks import Look
from training.engine.augment import Changes, augment
from training.engine.augment.colour import rewindowed, shares
from training.engine.augment.turning import border_level
from training.engine.config import TrainConfig

GREY, COLOUR = Look("grey", "letterbox"), Look("colour")
WINDOWS = Look("windows", "squash", ((40.0, 400.0), (-600.0, 1500.0)))
LOOKS = {"tile": Look(), "grey": GREY, "colour": COLOUR, "windows": WINDOWS}
each_look = pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
# Colours that one project's classes would be told apart by.
DYES = {
    "tissue": {"haematoxylin": (0.44, 0.32, 0.62), "eosin": (0.90, 0.62, 0.76), "diaminobenzidine": (0.55, 0.38, 0.24)},
    "blood": {"nucleus": (0.40, 0.25, 0.58), "red cell": (0.85, 0.66, 0.66), "eosinophil": (0.80, 0.42, 0.45)},
    "skin": {"naevus": (0.36, 0.24, 0.20), "blue naevus": (0.30, 0.34, 0.48), "skin": (0.86, 0.68, 0.58)},
    "retina": {"ground": (0.75, 0.40, 0.18), "optic disc": (0.95, 0.84, 0.50), "haemorrhage": (0.40, 0.08, 0.07)},
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def changed(x: torch.Tensor, look: Look = LOOKS["tile"], strength: float = 1.0, seed: int = 0, **may) -> torch.Tensor:
    return augment(x, Changes(strength, look=look, **may), generator(seed))


def noise(look: Look, n: int = 16, size: int = 32) -> torch.Tensor:
    return torch.rand(n, look.channels, size, size, generator=generator(9))


def discs(places: list[tuple[float, float]], look: Look, n: int = 64, size: int = 64, radius: float = 0.09):
    """The same picture n times: bright discs (their centres in -1..1) on dark ground."""
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    picture = torch.full((size, size), 0.15)
    for across, down in places:
        picture[((axis[None] - across) ** 2 + (axis[:, None] - down) ** 2) < radius**2] = 0.9
    return picture.expand(n, look.channels, size, size).clone()


def count_bright(picture: torch.Tensor) -> int:
    """The bright patches that hang together."""
    level = picture.mean(dim=0)
    left = {tuple(place) for place in (level > 0.5 * (level.median() + level.max())).nonzero().tolist()}
    found = 0
    while left:
        found, edge = found + 1, [left.pop()]
        while edge:
            down, across = edge.pop()
            near = {(down + d, across + a) for d in (-1, 0, 1) for a in (-1, 0, 1)} & left
            left -= near
            edge += near
    return found


@each_look
@pytest.mark.parametrize("strength", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("size", [28, 224])
def test_changed_inputs_keep_their_shape_and_range_and_differ(look, strength, size):
    x = noise(look, 4, size)
    y = changed(x, look, strength, allow_flips=True, any_angle=True)
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    assert bool(y.isfinite().all())
    assert 0 <= float(y.min()) <= float(y.max()) <= 1
    assert not torch.allclose(x, y, atol=0.05)


@each_look
def test_the_same_generator_state_gives_the_same_pictures(look):
    x = noise(look, 4)
    may = {"allow_flips": True, "any_angle": True}
    assert torch.equal(changed(x, look, **may), changed(x, look, **may))
    assert not torch.equal(changed(x, look, **may), changed(x, look, seed=1, **may))


@each_look
def test_strength_zero_changes_nothing(look):
    x = noise(look, 4)
    assert torch.equal(changed(x, look, 0.0), x)


@each_look
def test_what_was_given_is_left_as_it_was(look):
    x = noise(look, 4)
    before = x.clone()
    changed(x, look, allow_flips=True, any_angle=True)
    assert torch.equal(x, before)


@each_look
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_black_stays_dark_and_white_stays_bright(look, level):
    x = torch.full((64, look.channels, 32, 32), level)
    y = changed(x, look, allow_flips=True, any_angle=True)
    assert bool(y.isfinite().all())
    assert float((y.mean(dim=(1, 2, 3)) - level).abs().max()) < 0.3
    assert float(y.std(dim=(1, 2, 3)).max()) < 0.05, "nothing appears on an empty picture"


@each_look
def test_the_global_random_state_is_left_alone(look):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    changed(noise(look, 4), look, allow_flips=True, any_angle=True)
    assert torch.equal(torch.rand(3), wanted)


def sides(look: Look, down: float, across: float, size: int = 32, **may) -> set[tuple[bool, bool]]:
    """In which quarters (left, upper) the bright disc is found after the changes."""
    y = changed(discs([(across, down)], look, n=24, size=size, radius=0.2), look, **may).mean(dim=1)
    weight = (y - y.flatten(1).median(dim=1).values.view(-1, 1, 1)).clamp(min=0) ** 2
    half = size // 2
    left = weight[:, :, :half].sum(dim=(1, 2)) > weight[:, :, half:].sum(dim=(1, 2))
    upper = weight[:, :half].sum(dim=(1, 2)) > weight[:, half:].sum(dim=(1, 2))
    return set(zip(left.tolist(), upper.tolist(), strict=True))


@each_look
@pytest.mark.parametrize("size", [32, 224])
def test_left_stays_left_and_up_stays_up_unless_they_may_change(look, size):
    assert sides(look, -0.6, -0.6, size) == {(True, True)}
    assert sides(look, -0.6, -0.6, size, allow_flips=True) == {(True, True), (False, True)}


@each_look
def test_at_any_angle_what_was_on_top_may_be_anywhere(look):
    everywhere = {(left, upper) for left in (True, False) for upper in (True, False)}
    assert sides(look, -0.6, -0.6, any_angle=True) == everywhere


@each_look
def test_a_turned_picture_is_not_a_mirror_image_unless_these_are_allowed(look):
    """Three discs, from the corner along the long leg to its end, then along the short one: clockwise or not."""
    corner, far, near = (-0.45, -0.45), (0.45, -0.45), (-0.45, 0.0)
    axis = (torch.arange(64) + 0.5) / 64 * 2 - 1

    def handed(**may) -> set[bool]:
        found = set()
        for picture in changed(discs([corner, far, near], look, n=24), look, any_angle=True, **may).mean(dim=1):
            level = (picture - picture.median()).clamp(min=0) ** 2
            across, down = (level * axis[None]).sum() / level.sum(), (level * axis[:, None]).sum() / level.sum()
            x, y = axis[None] - across, axis[:, None] - down
            # The moment of third order that a mirror image turns round and a rotation leaves: Hu's seventh.
            n = {(p, q): float((level * x**p * y**q).sum()) for p in range(4) for q in range(4) if 1 < p + q < 4}
            a, b, c, d = n[3, 0] + n[1, 2], n[2, 1] + n[0, 3], n[3, 0] - 3 * n[1, 2], 3 * n[2, 1] - n[0, 3]
            found.add(d * a * (a * a - 3 * b * b) - c * b * (3 * a * a - b * b) > 0)
        return found

    assert len(handed()) == 1
    assert len(handed(allow_flips=True)) == 2


@each_look
@pytest.mark.parametrize(
    "places", [[(0.0, 0.0)], [(-0.35, 0.0), (0.35, 0.1)], [(0.0, -0.4), (-0.4, 0.3), (0.4, 0.3)]], ids=len
)
@pytest.mark.parametrize("any_angle", [False, True])
def test_as_many_findings_are_there_afterwards(look, places, any_angle):
    y = changed(discs(places, look, n=24), look, allow_flips=True, any_angle=any_angle)
    assert {count_bright(picture) for picture in y} == {len(places)}


@pytest.mark.parametrize("dyes", DYES.values(), ids=DYES)
def test_a_dye_is_still_nearest_to_itself(dyes):
    """Many strong changes of a spot of each on white ground, whose middle is compared with all."""
    axis = (torch.arange(64) + 0.5) / 64 * 2 - 1
    spot = (axis[None] ** 2 + axis[:, None] ** 2) < 0.3
    levels = torch.tensor(list(dyes.values()))
    for index, name in enumerate(dyes):
        x = torch.where(spot, levels[index].view(3, 1, 1), torch.tensor(0.95)).expand(256, 3, 64, 64)
        y = changed(x, COLOUR, allow_flips=True, any_angle=True)
        seen = y[:, :, 28:36, 28:36].mean(dim=(2, 3))
        assert float((torch.cdist(seen, levels).argmin(dim=1) == index).float().mean()) > 0.98, name
        assert float(seen.std(dim=0).min()) > 0.02, "it did change"


def test_grey_pictures_in_colour_stay_nearly_grey():
    x = noise(GREY).expand(-1, 3, -1, -1)
    y = changed(x, COLOUR)
    spread = (y.amax(dim=1) - y.amin(dim=1)).mean(dim=(1, 2))
    assert float(spread.max()) < 0.15, "a tint of lamp and stain, no colour of its own"
    assert float(spread.max()) > 0.01


def test_windows_move_and_widen_by_the_same_step_of_the_scans_own_values():
    share = torch.tensor(shares(WINDOWS.windows))
    assert share.tolist() == pytest.approx([1.0, 400 / 1500])
    middle = rewindowed(torch.full((32, 2, 1, 1), 0.5), 1.0, generator(), share)[..., 0, 0] - 0.5
    assert torch.allclose(middle[:, 1], middle[:, 0] * 400 / 1500, atol=1e-6)
    assert float(middle[:, 0].abs().max()) > 0.04
    above = rewindowed(torch.full((32, 2, 1, 1), 0.7), 1.0, generator(), share)[..., 0, 0] - 0.5
    steeper = (above - middle) / 0.2
    assert torch.allclose(steeper[:, 0], steeper[:, 1], atol=1e-5)
    assert 0.8 < float(steeper.min()) < 0.9 < 1.1 < float(steeper.max()) < 1.25


def test_detailed_pictures_are_cropped_more_and_tiles_are_not():
    def nearest(look: Look, size: int) -> float:
        """The largest disc after the changes, as a share of the picture, by its undisturbed size."""
        x = discs([(0.0, 0.0)], look, n=32, size=size, radius=0.4)
        y = changed(x, look)
        level = 0.5 * (y.amax(dim=(1, 2, 3), keepdim=True) + y.amin(dim=(1, 2, 3), keepdim=True))
        return float((y > level).float().mean(dim=(1, 2, 3)).max() / (x > 0.5).float().mean())

    assert nearest(COLOUR, 224) > 1.6 > nearest(COLOUR, 128)
    assert nearest(GREY, 224) > 1.6 > nearest(LOOKS["tile"], 224)


def test_what_comes_in_from_outside_is_the_level_of_the_border():
    x = torch.full((32, 3, 48, 48), 0.5)
    x[:, 0] = 0.9
    x[..., 20:28, 20:28] = 0.0
    assert torch.equal(border_level(x)[0], torch.tensor([0.9, 0.5, 0.5]))
    y = augment(x, Changes(0.0, any_angle=True, look=COLOUR), generator())
    assert float((y[..., 0, 0] - border_level(x)).abs().max()) < 1e-3


def test_a_configuration_says_what_may_change():
    told = TrainConfig(augment=0.3, allow_flips=True, any_angle=True, sees="colour")
    assert Changes.of(told) == Changes(0.3, True, True, COLOUR)
    assert Changes.of(TrainConfig(augment=0.0)).none
    assert not Changes(0.0, any_angle=True).none


def test_tiles_are_changed_as_runs_of_earlier_days_saw_them():
    """Figures of the code of those days; `make reproduce` compares whole runs to the bit."""
    x = torch.linspace(0, 1, 2 * 30 * 30).view(2, 1, 30, 30)
    y = augment(x, Changes(0.6, True), generator(3))
    wanted = EARLIER
    assert [round(float(v), 4) for v in (y.mean(), y.std(), y[0, 0, 3, 4], y[1, 0, 20, 11])] == wanted


EARLIER = [0.4641, 0.3118, 0.0213, 0.8311]


def test_angles_are_of_the_whole_circle():
    """A bright ray from the middle to the right points everywhere."""
    x = torch.zeros(256, 1, 33, 33)
    x[..., 15:18, 17:] = 1
    y = changed(x, strength=0.0, any_angle=True)[:, 0]
    axis = torch.arange(33) - 16.0
    angle = torch.atan2((y * axis[:, None]).sum(dim=(1, 2)), (y * axis[None]).sum(dim=(1, 2)))
    assert torch.histc(angle, 8, -math.pi, math.pi).min() > 10
