"""A shop to try the network with: a site of its own, on another origin, that uses our snippet as a merchant would.

It stands in for a merchant outside. So it shares nothing with the product but the snippet file: it has settings
and a small store of its own, and speaks to the network over HTTP alone. `manage.py demo_shop` starts it.
"""
