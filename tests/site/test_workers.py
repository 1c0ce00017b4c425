"""How the tests are shared out among pytest-xdist's workers."""

from tests.conftest import scope


def test_tests_of_the_real_site_share_one_worker_and_so_do_those_of_a_browser_or_of_the_book(request):
    for item in request.session.items:
        module = item.nodeid.split("::")[0]
        expected = item.nodeid
        if item.path.name == "test_mlflow.py" or item.path.name.endswith("_in_chromium.py"):
            expected = module
        if item.get_closest_marker("story"):
            expected = "site"
        assert scope(item.nodeid) == expected
