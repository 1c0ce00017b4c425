"""How the tests are shared out among pytest-xdist's workers."""

from tests.conftest import scope


def test_tests_of_the_real_site_share_one_worker_and_all_others_are_free(request):
    for item in request.session.items:
        expected = "site" if item.get_closest_marker("story") else item.nodeid
        assert scope(item.nodeid) == expected
