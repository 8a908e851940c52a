"""The people of the demo network: who they are, and the one password that opens every door in demo mode.

`seed_demo` makes these users and refuses to do so outside demo mode; `make run` prints the list.
"""

from __future__ import annotations

from typing import NamedTuple

DEMO_PASSWORD = "upfront-demo-2026"  # noqa: S105  (public on purpose: it opens demo data only)
DEMO_DOMAIN = "demo.example"


class DemoLogin(NamedTuple):
    """A demo user: address, what the person is there for, name and language of the screens."""

    email: str
    role: str
    name: str
    language: str


ADMIN = DemoLogin(f"admin@{DEMO_DOMAIN}", "superuser, operations", "Lin Yue", "zh-hans")
KYC_REVIEWER = DemoLogin(f"reviewer@{DEMO_DOMAIN}", "staff: KYC reviewer", "Zhao Min", "zh-hans")
KYC_SENIOR = DemoLogin(f"senior@{DEMO_DOMAIN}", "staff: senior KYC reviewer", "Qian Wei", "zh-hans")
FINANCE = DemoLogin(f"finance@{DEMO_DOMAIN}", "staff: finance", "Sun Jia", "zh-hans")
RISK = DemoLogin(f"risk@{DEMO_DOMAIN}", "staff: risk", "Li Rui", "en")
SUPPORT = DemoLogin(f"support@{DEMO_DOMAIN}", "staff: support", "Zhou Ning", "en")
MERCHANT = DemoLogin(f"merchant@{DEMO_DOMAIN}", "owner of the merchant Lumo Mobile", "Wu Hao", "zh-hans")
AFFILIATE_ZH = DemoLogin(
    f"affiliate@{DEMO_DOMAIN}", "owner of the affiliate 晴空好物", "Zheng Qing", "zh-hans"
)
AFFILIATE_EN = DemoLogin(
    f"affiliate-en@{DEMO_DOMAIN}", "owner of the affiliate Gadget Lane", "Mia Feng", "en"
)

STAFF: dict[str, DemoLogin] = {
    "kyc_reviewer": KYC_REVIEWER,
    "kyc_senior": KYC_SENIOR,
    "finance": FINANCE,
    "risk": RISK,
    "support": SUPPORT,
}
DEMO_LOGINS: list[tuple[str, str]] = [
    (login.email, login.role) for login in (ADMIN, MERCHANT, AFFILIATE_ZH, AFFILIATE_EN, *STAFF.values())
]
