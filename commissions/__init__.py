"""What an order is worth and where the money is: terms, pricing, life, ledger, release."""
