"""A stand-in for Aliyun's face verification: it speaks the same protocol and decides nothing about anybody.

For tests and the demo. A site of its own with its own settings, on its own port, which checks our signature as the
vendor would and shows a page with a camera where the person says how the check is to end. Clearly labelled.
"""
