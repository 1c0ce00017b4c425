"""A dump that has values for generated columns, on its way to MySQL, which takes none."""

import io

from mediscan_site.core.backup.loads import Generated

DUMP = b"""DROP TABLE IF EXISTS `other`;
CREATE TABLE `other` (
  `id` bigint NOT NULL,
  PRIMARY KEY (`id`)
);
CREATE TABLE `scan` (
  `id` bigint NOT NULL,
  `desk` varchar(8) COLLATE utf8mb4_bin GENERATED ALWAYS AS ((case when (`hold` <> _utf8mb4'') then _utf8mb4'' end)) STORED,
  `hold` varchar(8) NOT NULL,
  `twice` int GENERATED ALWAYS AS ((`id` * 2)) STORED NOT NULL,
  PRIMARY KEY (`id`)
);
INSERT INTO `scan` (`id`, `desk`, `hold`, `twice`) VALUES (1,'  `a` GENERATED ALWAYS AS (1) STORED\\n','',2);
-- Dump completed"""


def passed(pieces: list[bytes]) -> bytes:
    out = io.BytesIO()
    lines = Generated(out)
    assert [lines.write(piece) for piece in pieces] == [len(piece) for piece in pieces]
    lines.end()
    return out.getvalue()


def test_a_generated_column_is_plain_while_rows_come_and_generated_afterwards():
    found = passed([DUMP]).decode().splitlines()
    assert "  `desk` varchar(8) COLLATE utf8mb4_bin," in found
    assert "  `twice` int NOT NULL," in found
    assert found[found.index("-- Dump completed") + 1 :] == [
        "ALTER TABLE `scan` MODIFY  `desk` varchar(8) COLLATE utf8mb4_bin GENERATED ALWAYS AS "
        "((case when (`hold` <> _utf8mb4'') then _utf8mb4'' end)) STORED;",
        "ALTER TABLE `scan` MODIFY  `twice` int GENERATED ALWAYS AS ((`id` * 2)) STORED NOT NULL;",
    ]


def test_all_else_passes_as_it_is_in_whatever_pieces_it_comes():
    whole = passed([DUMP])
    assert passed([bytes([byte]) for byte in DUMP]) == whole
    kept = [line for line in DUMP.splitlines() if b"GENERATED" not in line or line.startswith(b"INSERT")]
    assert [line for line in whole.splitlines() if line in kept] == kept
