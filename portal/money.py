"""Amounts of money: whole minor units next to their currency, never floats (SPEC PRICE).

`Money` refuses to mix currencies. It is for the edges (screens, exports, messages); the inner loops of
pricing and the ledger carry plain integers whose unit is said by their names.
"""

from __future__ import annotations

from dataclasses import dataclass

from portal.errors import DomainError

COMMISSION_CURRENCY = "USD"
MAX_AMOUNT = 10**12
"""The largest amount any interface accepts, in minor units (SPEC PRICE)."""

# ISO 4217 exponents of the currencies that the product speaks of. Order events in others are refused by
# name until settlement brings rates on record (PRICE-9).
EXPONENTS = {"USD": 2, "CNY": 2}


class CurrencyMismatch(DomainError):
    code = "currency_mismatch"


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """`amount` minor units of `currency`: `Money(1234, "USD")` is 12.34 US dollars."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount) is not int:
            raise TypeError(f"Money takes whole minor units, not {type(self.amount).__name__}")
        if self.currency not in EXPONENTS:
            raise ValueError(f"unknown currency {self.currency!r}")

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not mix")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.amount < other.amount

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.amount <= other.amount

    def __bool__(self) -> bool:
        return self.amount != 0

    def decimal(self) -> str:
        """The amount in major units as a plain decimal string, `"-12.34"`."""
        exponent = EXPONENTS[self.currency]
        sign = "-" if self.amount < 0 else ""
        whole, minor = divmod(abs(self.amount), 10**exponent)
        return f"{sign}{whole}.{minor:0{exponent}d}" if exponent else f"{sign}{whole}"

    def __str__(self) -> str:
        return f"{self.decimal()} {self.currency}"
