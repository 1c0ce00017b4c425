"""Maintained numbers: how many rows of a table have which values, known without counting them.

Triggers append a row of changes (+1, -1) for each row that comes, goes or changes, in its own transaction; nothing is ever
updated there, so that no two writers wait for each other. A worker folds changes into totals, and a reader adds up both in one
statement. A real count, made now and then by a worker, mends what differs (`manage.py check_totals`).
"""
