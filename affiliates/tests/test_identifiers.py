"""Numbers of authorities and banks: genuine ones pass, each single slip is found (ONB-1)."""

from __future__ import annotations

from datetime import date

import pytest

from affiliates.identifiers import birth_date, cnaps_problem, id_number_problem, normalised, uscc_problem


@pytest.mark.parametrize("number", ["91350100M000100Y43", "914403001922038216", " 91350100m000100y43 "])
def test_genuine_company_codes_hold(number):
    assert uscc_problem(number) == ""


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        ("440301103097413", "old_licence_number"),
        ("", "uscc_length"),
        ("91350100M000100Y4", "uscc_length"),
        ("91350100M000100Y44", "uscc_checksum"),
        ("91350100I000100Y43", "uscc_checksum"),  # I, O, S, V and Z are never used
        ("01350100M000100Y4A", "uscc_checksum"),
        ("公司公司公司公司公司公司公司公司公司", "uscc_checksum"),
    ],
)
def test_a_wrong_company_code_is_named_for_what_is_wrong(number, problem):
    assert uscc_problem(number) == problem


def test_every_single_wrong_digit_of_a_company_code_is_found():
    good = "914403001922038216"
    for place, sign in enumerate(good):
        wrong = "1" if sign != "1" else "2"
        assert uscc_problem(good[:place] + wrong + good[place + 1 :]), place


def endings(first_seventeen: str) -> set[str]:
    """What is said of a code with each of the check characters that it could end in."""
    return {uscc_problem(first_seventeen + last) for last in "0123456789ABCDEFGHJKLMNPQRTUWXY"}


def test_a_region_of_zeros_and_authority_0_are_wrong_with_any_check_digit():
    assert endings("91440300192203821") == {"", "uscc_checksum"}
    assert endings("91000000192203821") == {"uscc_checksum"}
    assert endings("01440300192203821") == {"uscc_checksum"}


def test_a_wrong_organisation_code_is_found_though_the_check_digit_holds():
    assert endings("91440300192203822") == {"uscc_organisation", "uscc_checksum"}


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        ("11010519491231002X", ""),
        ("11010519491231002x", ""),
        ("110105194912310021", "id_checksum"),
        ("11010519490231002X", "id_checksum"),
        ("110105491231002", "id_length"),
        ("", "id_length"),
    ],
)
def test_an_id_number_is_checked_for_digit_date_and_length(number, problem):
    assert id_number_problem(number) == problem


def test_the_date_of_birth_is_in_the_id_number():
    assert birth_date("11010519491231002X") == date(1949, 12, 31)
    assert birth_date("nonsense") is None


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("102100099996", ""),
        ("308584000013", ""),
        ("102100099997", "cnaps_checksum"),
        ("1021000999", "cnaps_length"),
        ("10210009999X", "cnaps_length"),
    ],
)
def test_a_banks_code_is_checked(code, problem):
    assert cnaps_problem(code) == problem


def test_names_agree_across_widths_spaces_and_letter_case():
    assert normalised("深圳（前海）Ａbc 有限公司") == normalised("深圳(前海)ABC有限公司")
