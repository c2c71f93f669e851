"""Checks annotations while tests run; an int is accepted for a float, as by type checkers."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
