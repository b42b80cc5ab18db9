"""The graded assignment of Module 15: one source, from which everything else is made."""
