"""Counts with their nouns and shares in percent, as every message and screen writes them."""


def amount(number: int, noun: str) -> str:
    """A whole number with its noun, the noun in the plural unless the number is 1.

    `noun` is in the singular.

    >>> amount(1, "record"), amount(2041, "record"), amount(0, "category")
    ('1 record', '2,041 records', '0 categories')
    """
    if number == 1 or noun == "series":
        return f"{number:,} {noun}"
    ending = noun[:-1] + "ies" if noun.endswith("y") else noun + "es" if noun.endswith(("s", "x", "ch")) else noun + "s"
    return f"{number:,} {ending}"


def in_percent(share: float, digits: int = 3) -> str:
    """A share in percent, with a number of significant digits.

    >>> in_percent(0.12345), in_percent(0.5), in_percent(0.12345, 4)
    ('12.3 %', '50 %', '12.35 %')
    """
    return f"{100 * share:.{digits}g} %"
