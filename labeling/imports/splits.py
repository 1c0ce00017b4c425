"""The words for the sides of a data set. Pure."""

from typing import Final

SPLITS: Final = ("train", "val", "test")
_WORDS: Final = {
    "train": "train", "training": "train", "trainset": "train", "train_set": "train", "training_set": "train",
    "val": "val", "valid": "val", "validation": "val", "validate": "val", "dev": "val", "development": "val",
    "val_set": "val", "validation_set": "val",
    "test": "test", "testing": "test", "testset": "test", "test_set": "test", "evaluation": "test",
}  # fmt: skip


def split_of(word: str) -> str | None:
    """`train`, `val` or `test` for the words that data sets use for them, in any case; else None."""
    return _WORDS.get(word.strip().casefold().replace("-", "_").replace(" ", "_"))
