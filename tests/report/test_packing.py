"""Packed texts come back whole, and nothing in them means anything to HTML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_sr.report.packing import CHARACTERS, packed
from tests.report.opened_page import unpacked


@given(st.text())
def test_any_text_comes_back(text):
    assert unpacked(packed(text)) == text


@pytest.mark.parametrize("length", range(40))
def test_every_length_comes_back(length):
    text = "".join(chr(33 + 7 * place % 90) for place in range(length))
    assert unpacked(packed(text)) == text


def test_it_ends_no_element_and_begins_no_entity():
    assert len(set(CHARACTERS)) == 91
    assert not set(packed("</script><!--" * 1000)) & set("<&\\ \n")
