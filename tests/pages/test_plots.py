"""Plots say in words and numbers what they show, and their marks lead where the data says."""

from datetime import date

import pytest
from django.template import Context, Template

from mediscan_site.front.axes import nice, share


def drawn(tag: str, **data) -> str:
    return Template("{% load plots %}" + tag).render(Context(data))


def test_bars_are_a_table_whose_rows_lead_somewhere_and_draw_their_interval():
    rows = [
        {"label": "NORMAL", "value": 1204, "url": "/scans/?label=NORMAL", "low": 602, "high": 1204},
        {"label": "<b>odd</b>", "value": 0},
    ]
    page = drawn('{% plot_bars rows "Scans of each class" %}', rows=rows)
    assert "<caption>Scans of each class</caption>" in page
    assert '<a href="/scans/?label=NORMAL">NORMAL</a>' in page and '<td class="num">1,204</td>' in page
    assert 'data-said="NORMAL: 1,204"' in page and 'x1="50.00%" x2="100.00%"' in page
    assert "<b>odd" not in page and 'width="0.00%"' in page


def test_a_stack_shares_its_whole_width_and_says_each_part():
    parts = [{"label": "approved", "value": 3}, {"label": "to label", "value": 1, "series": "rest"}]
    page = drawn('{% plot_stack parts "How far" %}', parts=parts)
    assert 'x="75.00%"' in page and 'width="25.00%"' in page
    assert "approved: 3 (75 %)" in page and "s-rest" in page
    assert 'width="100%"' in drawn('{% plot_stack parts "Nothing" %}', parts=[])


def test_columns_stack_their_values_and_have_a_table_of_numbers():
    columns = [{"label": "1 Nov", "values": [3, 1]}, {"label": "2 Nov", "values": [0, 0]}]
    page = drawn('{% plot_columns columns "Labels a day" "mine" "others" %}', columns=columns)
    assert "1 Nov: mine: 3, others: 1" in page and "As numbers" in page
    assert 'height="75.00%"' in page and 'height="25.00%"' in page


def test_lines_have_bands_dates_and_gaps_but_no_zeros():
    points = [
        {"x": date(2026, 3, 1), "y": 0.5, "low": 0.4, "high": 0.6, "url": "/one"},
        {"x": date(2026, 3, 2), "y": None},
        {"x": date(2026, 3, 3), "y": 1.0},
    ]
    page = drawn('{% plot_lines lines "AUROC" form="share" %}', lines=[{"name": "v1", "points": points}])
    assert 'points="0.00,50.00 100.00,0.00"' in page, "the day that measured nothing is no point"
    assert 'class="band s-0" points="0.00,40.00 0.00,60.00"' in page
    assert "v1 · 1 Mar: 50 % (40 % to 60 %)" in page and 'href="/one"' in page


def test_an_axis_ends_in_round_figures_and_a_share_is_never_rounded_to_all_or_nothing():
    assert [nice(top, whole=True) for top in (0, 1, 4, 7, 9, 28, 101, 950)] == [4, 4, 4, 8, 20, 40, 200, 1000]
    assert [nice(top, whole=False) for top in (0.3, 1.2, 2.5)] == [1, 2, 4]
    assert [share(value) for value in (0, 0.0001, 0.864, 0.9999, 1)] == ["0 %", "1 %", "86 %", "99 %", "100 %"]


@pytest.mark.parametrize(
    "tag", ['{% plot_dots rows "Dots" %}', '{% plot_spark rows "Trend" %}', '{% plot_lines rows "L" %}']
)
def test_a_plot_of_nothing_is_an_empty_plot(tag):
    assert "<svg" in drawn(tag, rows=[])
