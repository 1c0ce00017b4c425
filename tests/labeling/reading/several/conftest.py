import pytest

from tests.conftest import member


@pytest.fixture
def project(project):
    project.reads_wanted = 2
    project.save()
    return project


@pytest.fixture
def third(project, admin):
    return member(project, admin, "third")
