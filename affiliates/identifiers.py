"""Numbers that Chinese authorities and banks give out, and what can be told from the number alone. Pure.

A wrong check digit is nearly always a slip of the pen, and is worth saying while the applicant is still typing;
whether a number belongs to anybody only the paper shows. So nothing here decides, it only finds.
"""

from __future__ import annotations

import unicodedata
from datetime import date

from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError

_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def normalised(text: str) -> str:
    """The text as two papers would agree on it: full-width forms, spaces and letter case levelled."""
    return "".join(unicodedata.normalize("NFKC", text).split()).upper()


def uscc_problem(number: str) -> str:
    """What is wrong with a unified social credit code, as a code; "" when nothing is.

    `old_licence_number` is the un-unified kind of 15 digits; `uscc_organisation` a wrong check digit of the
    organisation code inside, which some genuine codes of early years have too.

    Source: GB 32100-2015, GB 11714-1997.
    """
    number = normalised(number)
    if len(number) == 15 and number.isdigit():
        return "old_licence_number"
    if len(number) != 18:
        return "uscc_length"
    try:
        uscc.validate(number)
    except ValidationError:
        return "uscc_checksum"
    # The library lets these pass: no authority is numbered 0, and no region 000000.
    if number[0] == "0" or number[2:8] == "000000":
        return "uscc_checksum"
    return "" if _organisation_code_holds(number[8:17]) else "uscc_organisation"


def _organisation_code_holds(code: str) -> bool:
    total = sum(int(sign, 36) * weight for sign, weight in zip(code, _ORGANISATION_WEIGHTS, strict=False))
    remainder = 11 - total % 11
    return code[8] == {10: "X", 11: "0"}.get(remainder, str(remainder))


def id_number_problem(number: str) -> str:
    """What is wrong with a resident's ID number, as a code; "" when nothing is. Source: GB 11643-1999."""
    number = normalised(number)
    if len(number) != 18:
        return "id_length"
    try:
        ric.validate(number)
    except ValidationError:
        return "id_checksum"
    return ""


def birth_date(id_number: str) -> date | None:
    """The date of birth in a resident's ID number; None if there is none."""
    try:
        return ric.get_birth_date(normalised(id_number))
    except (ValidationError, ValueError):
        return None


def cnaps_problem(code: str) -> str:
    """What is wrong with a bank's 12-digit CNAPS code, as a code; "" when nothing is. Source: ISO 7064 MOD 11,10."""
    if len(code) != 12 or not code.isdigit():
        return "cnaps_length"
    product = 10
    for digit in code[:-1]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return "" if (product + int(code[-1])) % 10 == 1 else "cnaps_checksum"
