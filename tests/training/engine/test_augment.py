import torch

from training.engine.augment import augment


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 64) -> torch.Tensor:
    return torch.rand(n, 1, 32, 32, generator=generator(9))


def test_augmented_inputs_keep_their_shape_and_range_and_differ():
    x = pictures()
    y = augment(x, 1.0, generator(), allow_flips=False)
    assert y.shape == x.shape
    assert 0 <= float(y.min()) <= float(y.max()) <= 1
    assert not torch.allclose(x, y, atol=0.05)


def test_the_same_generator_state_gives_the_same_pictures():
    x = pictures(4)
    assert torch.equal(augment(x, 1.0, generator(), allow_flips=True), augment(x, 1.0, generator(), allow_flips=True))
    assert not torch.equal(
        augment(x, 1.0, generator(), allow_flips=True), augment(x, 1.0, generator(1), allow_flips=True)
    )


def test_strength_zero_changes_nothing():
    x = pictures(4)
    assert torch.equal(augment(x, 0.0, generator(), allow_flips=False), x)


def sides(*, allow_flips: bool) -> set[bool]:
    """On which sides a bright left half is found after augmentation."""
    x = torch.zeros(64, 1, 32, 32)
    x[..., :16] = 0.8
    y = augment(x, 1.0, generator(), allow_flips=allow_flips)
    return set((y[..., :10].mean(dim=(1, 2, 3)) > y[..., 22:].mean(dim=(1, 2, 3))).tolist())


def test_left_stays_left_unless_flips_are_allowed():
    assert sides(allow_flips=False) == {True}
    assert sides(allow_flips=True) == {True, False}


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    augment(pictures(4), 1.0, generator(), allow_flips=True)
    assert torch.equal(torch.rand(3), wanted)
