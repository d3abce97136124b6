"""Logging in through an OAuth provider, beside accounts with passwords: which provider, and the way there and back."""
