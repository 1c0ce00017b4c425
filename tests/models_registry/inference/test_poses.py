"""How a scan may be held."""

import torch

from models_registry.inference.poses import Poses, turned


def pictures() -> torch.Tensor:
    return torch.arange(2 * 3 * 4 * 4, dtype=torch.float32).view(2, 3, 4, 4)


def test_right_angles_move_pixels_as_torch_does():
    x = pictures()
    for quarters in range(4):
        assert torch.equal(turned(x, quarters), torch.rot90(x, quarters, (2, 3)))


def test_all_poses_are_there_once():
    x = pictures()
    for poses, count in ((Poses(), 1), (Poses(mirrored=True), 2), (Poses(turned=True), 4), (Poses(True, True), 8)):
        held = [x, *poses.others(x)]
        assert poses.count == len(held) == count
        assert len({one.numpy().tobytes() for one in held}) == count
        assert all(one.shape == x.shape for one in held)


def test_an_answer_is_the_mean_over_the_poses():
    x = pictures()
    found = Poses(mirrored=True, turned=True).mean(_corner(x), _corner, x)
    # Each corner is on the upper left in two poses.
    corners = x[:, :, [0, 0, 3, 3], [0, 3, 0, 3]].mean(dim=(1, 2))
    assert torch.allclose(found[:, 0], corners)
    assert torch.equal(Poses().mean(_corner(x), _corner, x), _corner(x))


def _corner(x: torch.Tensor) -> torch.Tensor:
    return x[:, :, 0, 0].mean(dim=1, keepdim=True)
