"""A version that serves, for what people are told of it."""

from tests.models_registry.conftest import (  # noqa: F401 -- fixtures of this folder too
    _no_predictor_stays_in_memory,
    deployed,
    make_version,
    snapshot,
)
