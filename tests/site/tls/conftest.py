import pytest

from tests.site.tls import servers


def _server(start):
    @pytest.fixture(scope="module")
    def server():
        with servers.shared_folder() as folder, start(folder) as found:
            yield found

    return server


mariadb, postgres = _server(servers.mariadb), _server(servers.postgres)
redis, rabbitmq = _server(servers.redis), _server(servers.rabbitmq)
