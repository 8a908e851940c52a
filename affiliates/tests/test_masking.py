"""Masked numbers: enough to recognise one's own, never enough to use (ONB-9)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affiliates import masking


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("11010519491231002X", "110***********002X"),
        ("110105491231002", "110********1002"),
        (" 11010519491231002X ", "110***********002X"),
        ("1101051", "*******"),
        ("12345678", "********"),
        ("", ""),
    ],
)
def test_an_id_number_shows_region_and_last_four(number, shown):
    assert masking.mask_id_number(number) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("6222021234567890123", "***************0123"),
        ("6222 0212 3456 7890 123", "***************0123"),
        ("12345", "*****"),
    ],
)
def test_a_bank_account_shows_its_last_four(number, shown):
    assert masking.mask_bank_account(number) == shown


@pytest.mark.parametrize(
    ("login", "shown"),
    [
        ("zhang.san@company.com", "zh***@company.com"),
        ("ab@company.com", "a***@company.com"),
        ("13812345678", "138****5678"),
        ("1381", "****"),
    ],
)
def test_an_alipay_login_shows_where_it_belongs(login, shown):
    assert masking.mask_alipay_login(login) == shown
    assert masking.mask_account("alipay", login) == shown


@pytest.mark.parametrize(
    ("name", "shown"), [("欧阳修文", "欧***"), ("李雷", "李*"), ("李", "*"), ("", ""), ("Li Lei", "L*****")]
)
def test_a_name_shows_its_first_character(name, shown):
    assert masking.mask_name(name) == shown


def test_an_account_is_masked_by_its_kind():
    assert masking.mask_account("bank", "6222021234567890123") == "***************0123"


@given(st.text(alphabet="0123456789X", min_size=15, max_size=18))
def test_of_an_id_number_the_birthday_is_never_shown(number):
    assert masking.mask_id_number(number)[3:-4] == "*" * (len(number) - 7)
