"""How the database in use would run a query, as far as it matters with a million rows: what it reads whole, sorts or keeps aside.

A test fills the tables it asks of with a few thousand rows of the kind a site has, calls `measured()`, so that the planner knows
them, and asks `assert_plan` of each query. `pytestmark = SCALE` in its module: MySQL commits around ANALYZE TABLE."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

# A table of fewer rows may be read whole.
LARGE = 1000
SCALE = pytest.mark.django_db(transaction=settings.DATABASES["default"]["ENGINE"].endswith("mysql"))


@dataclass
class Plan:
    """`read_whole`: tables of which every row is looked at; `walked`: indexes read from one end, as a LIMIT wants, by table;
    `sorted_rows`: the most rows that are sorted (estimated), None where the engine does not say how many."""

    text: str
    indexes: set[str] = field(default_factory=set)
    read_whole: set[str] = field(default_factory=set)
    walked: dict[str, str] = field(default_factory=dict)
    sorts: bool = False
    sorted_rows: int | None = None
    keeps_aside: bool = False


def sorts_few() -> bool:
    """Whether this planner reads and sorts the few hundred rows of a test where it walks an index among a million: MySQL's, and
    not MariaDB's (`benchmarks.lists` with a million)."""
    return connection.vendor == "mysql" and not getattr(connection, "mysql_is_mariadb", False)


def measured(*models: Any) -> None:
    """Have the planner count the rows of these tables."""
    tables = [model._meta.db_table for model in models]
    with connection.cursor() as cursor:
        for table in tables:
            begin = "ANALYZE TABLE" if connection.vendor == "mysql" else "ANALYZE"
            cursor.execute(f"{begin} {connection.ops.quote_name(table)}")
            if connection.vendor == "mysql":
                cursor.fetchall()


def plan_of(rows: QuerySet[Any]) -> Plan:
    sql, values = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"{_EXPLAIN[connection.vendor]} {sql}", values)
        found = cursor.fetchall()
        # MySQL has columns that MariaDB has not.
        names = [column[0] for column in cursor.description]
    plan = _READ[connection.vendor]([dict(zip(names, line, strict=True)) for line in found])
    # Some engines name a table by its alias.
    aliases = {alias: table for table, alias in re.findall(r"""["`](\w+)["`] (?:AS )?["`]?([A-Z]+\d+)\b""", sql)}
    plan.read_whole = {aliases.get(name, name) for name in plan.read_whole}
    plan.walked = {aliases.get(name, name): index for name, index in plan.walked.items()}
    return plan


def assert_plan(
    rows: QuerySet[Any], *, index: str | Sequence[str] = (), walks: bool = False, sorts: int = 0, aside: bool = False
) -> None:
    """The query reads no large table whole.

    `index`: one of these names is used (engines choose differently). `walks`: an index of a large table may be read from its
    end, because every row or most of them are wanted. `sorts`: so many rows may be sorted, or any number where the engine does
    not say how many.
    `aside`: a temporary table is all right (of few rows)."""
    plan = plan_of(rows)
    said = f"{rows.query}\n{plan.text}"
    wanted = {index} if isinstance(index, str) else set(index)
    assert not wanted or wanted & plan.indexes, f"uses none of {sorted(wanted)}\n{said}"
    assert not (whole := _large(plan.read_whole)), f"reads {whole} whole\n{said}"
    assert walks or not (walked := [plan.walked[name] for name in _large(set(plan.walked))]), (
        f"reads the index {walked} from its end\n{said}"
    )
    assert aside or not plan.keeps_aside, f"makes a temporary table\n{said}"
    assert not plan.sorts or sorts, f"sorts\n{said}"
    assert not plan.sorts or plan.sorted_rows is None or plan.sorted_rows <= sorts, (
        f"sorts {plan.sorted_rows} rows\n{said}"
    )


def _large(tables: set[str]) -> list[str]:
    known = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        found = []
        for table in sorted(tables & known):
            quoted = connection.ops.quote_name(table)
            cursor.execute(f"SELECT COUNT(*) FROM (SELECT 1 FROM {quoted} LIMIT {LARGE + 1}) counted")  # noqa: S608 -- our table
            found += [table] if cursor.fetchone()[0] > LARGE else []
    return found


def _sqlite(lines: Sequence[dict[str, Any]]) -> Plan:
    texts = [line["detail"] for line in lines]
    plan = Plan("\n".join(texts))
    for text in texts:
        how = re.match(r"(SCAN|SEARCH) (\S+)(?: USING (?:COVERING |AUTOMATIC |PARTIAL )*INDEX (\S+))?", text)
        if how and how[3]:
            plan.indexes.add(how[3])
        if how and how[1] == "SCAN" and how[3]:
            plan.walked[how[2]] = how[3]
        elif how and how[1] == "SCAN":
            plan.read_whole.add(how[2])
        plan.sorts |= "TEMP B-TREE FOR ORDER BY" in text or "TERM OF ORDER BY" in text or "TERMS OF ORDER BY" in text
        plan.keeps_aside |= "AUTOMATIC" in text or ("TEMP B-TREE FOR" in text and "ORDER BY" not in text)
    return plan


def _mysql(lines: Sequence[dict[str, Any]]) -> Plan:
    plan = Plan("\n".join("\t".join(str(cell) for cell in line.values()) for line in lines))
    for line in lines:
        table, how, key, rows, extra = line["table"], line["type"], line["key"], line["rows"], line["Extra"] or ""
        plan.indexes |= set((key or "").split(","))
        if how == "ALL":
            plan.read_whole.add(str(table))
        if how == "index":
            plan.walked[str(table)] = str(key)
        if "Using filesort" in extra:
            plan.sorts, plan.sorted_rows = True, max(plan.sorted_rows or 0, int(rows or 0))
        plan.keeps_aside |= "Using temporary" in extra
    return plan


def _postgresql(lines: Sequence[dict[str, Any]]) -> Plan:
    told = lines[0]["QUERY PLAN"]
    found = told if isinstance(told, list) else json.loads(told)
    plan = Plan(json.dumps(found, indent=1))
    for node in _nodes(found[0]["Plan"]):
        kind = node["Node Type"]
        if "Index Name" in node:
            plan.indexes.add(node["Index Name"])
            if "Index Cond" not in node and kind != "Bitmap Index Scan":
                plan.walked[node["Relation Name"]] = node["Index Name"]
        if kind == "Seq Scan":
            plan.read_whole.add(node["Relation Name"])
        if kind == "Sort":
            plan.sorts = True
            plan.sorted_rows = max(plan.sorted_rows or 0, int(node["Plans"][0]["Plan Rows"]))
        plan.keeps_aside |= kind in {"Hash", "Materialize"} and node["Plan Rows"] > LARGE
    return plan


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", []):
        yield from _nodes(below)


_EXPLAIN = {
    "sqlite": "EXPLAIN QUERY PLAN",
    "mysql": "EXPLAIN FORMAT=TRADITIONAL",
    "postgresql": "EXPLAIN (FORMAT JSON)",
}
_READ = {"sqlite": _sqlite, "mysql": _mysql, "postgresql": _postgresql}
