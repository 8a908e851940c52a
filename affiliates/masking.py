"""Numbers as they are shown unless somebody has a reason to see more (ONB-9). Pure."""

from __future__ import annotations

STAR = "*"


def mask_id_number(number: str) -> str:
    """`11010519491231002X` → `110***********002X`: region and the last four."""
    return _middle(number.strip(), 3, 4)


def mask_bank_account(number: str) -> str:
    """`6222021234567890123` → `***************0123`: the last four."""
    return _middle("".join(number.split()), 0, 4)


def mask_alipay_login(login: str) -> str:
    """`zhang.san@company.com` → `zh***@company.com`; `13812345678` → `138****5678`."""
    login = login.strip()
    name, at, host = login.rpartition("@")
    if at:
        return f"{name[: 2 if len(name) > 2 else 1]}{STAR * 3}@{host}"
    return _middle(login, 3, 4)


def mask_account(kind: str, number: str) -> str:
    """The number of a settlement account, by its kind: `bank` or `alipay`."""
    return mask_alipay_login(number) if kind == "alipay" else mask_bank_account(number)


def mask_name(name: str) -> str:
    """`李雷` → `李*`, `Li Lei` → `L*****`: who knows the person recognises it, nobody else."""
    name = name.strip()
    return name[:1] + STAR * (len(name) - 1) if len(name) > 1 else STAR * len(name)


def _middle(text: str, first: int, last: int) -> str:
    """All but the first and last characters hidden; of a short text, everything."""
    if len(text) <= first + last + 1:
        return STAR * len(text)
    return text[:first] + STAR * (len(text) - first - last) + (text[-last:] if last else "")
