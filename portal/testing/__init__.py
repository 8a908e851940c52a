"""The test kit: what tests of every app share. Nothing of it is imported by the product."""
