"""The graded assignment of Module 15: one source, from which everything else is made."""

import sys

# Notebooks hold no international addresses; the grammar for them, which jsonschema builds where it
# finds this module, takes a second in each process.
sys.modules.setdefault("rfc3987_syntax", None)
