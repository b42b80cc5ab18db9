"""Debian's WebKitGTK by WebDriver, with the verbs of Playwright that the tests use."""
