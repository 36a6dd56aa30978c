import math

import pytest

from nas_sr import quantities


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (142.3, "142"),
        (25.31, "25.3"),
        (0.1234, "0.123"),
        (1234.5, "1230"),
        (9.999, "10.0"),
        (0, "0"),
        (-3.456, "-3.46"),
    ],
)
def test_three_significant_digits(value, text):
    assert quantities.significant(value) == text


def test_missing_values_are_a_dash_and_never_a_zero():
    assert quantities.milliseconds(None) == quantities.decibels(None) == quantities.NOTHING


def test_significant_digits_of_what_is_not_finite():
    assert quantities.significant(math.inf) == "inf"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89, "89 s"), (120, "2 min"), (3599, "1 h 0 min"), (12000, "3 h 20 min")]
)
def test_durations(seconds, text):
    assert quantities.duration(seconds) == text


def test_parameters():
    assert [quantities.parameters(count) for count in (113352, 57124, 1_500_000)] == ["113 K", "57.1 K", "1.50 M"]


def test_plural():
    assert [quantities.plural(count, "trial") for count in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]


@pytest.mark.parametrize(
    ("share", "text"), [(0.8, "80 %"), (0.0041, "0.41 %"), (0.126, "13 %"), (0, "0 %"), (1, "100 %")]
)
def test_percent_has_two_significant_digits(share, text):
    assert quantities.percent(share) == text


def test_listed():
    assert [quantities.listed(items) for items in ([], [3], [3, 7], [3, 7, 12])] == ["", "3", "3 and 7", "3, 7 and 12"]


@pytest.mark.parametrize(("value", "text"), [(25.312, "25.31"), (142.3, "142.30"), (0.8125, "0.812"), (0.05, "0.0500")])
def test_hundredths_keep_three_digits_of_small_values(value, text):
    assert quantities.hundredths(value) == text
    assert quantities.milliseconds(value, exact=True) == f"{text} ms"
