"""Merchants and what their order systems and their visitors' browsers tell: clicks, orders and their events."""

from orders.models.merchant import (
    AttributionWindow,
    Merchant,
    MerchantDomain,
    MerchantMember,
    MerchantQuerySet,
    OrderSource,
    OrderSourceSecret,
    SellerAffiliate,
)
from orders.models.order import Order, OrderEvent, RejectedEvent
from orders.models.tracking import Click, Link, new_click_id, new_link_code
from orders.models.upload import LinkUpload

__all__ = [
    "AttributionWindow",
    "Click",
    "Link",
    "LinkUpload",
    "Merchant",
    "MerchantDomain",
    "MerchantMember",
    "MerchantQuerySet",
    "Order",
    "OrderEvent",
    "OrderSource",
    "OrderSourceSecret",
    "RejectedEvent",
    "SellerAffiliate",
    "new_click_id",
    "new_link_code",
]
