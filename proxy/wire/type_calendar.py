"""The proleptic Gregorian calendar over the whole range of Postgres, 4713 BC to 5874897 AD.

This file must not know formats. Python's `datetime` ends at the years 1 and 9999, so days are
counted here. Years are astronomical: 0 is 1 BC. Day 0 is 2000-01-01, as in Postgres.
"""

from __future__ import annotations

from typing import Final

# The calendar repeats every 400 years, which have this many days.
_ERA_YEARS: Final = 400
_ERA_DAYS: Final = 146_097
# From 0000-03-01, where the counting below starts, to 2000-01-01.
_EPOCH_DAYS: Final = 730_425

_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def days_in_month(year: int, month: int) -> int:
    """Return the length of a month (1 to 12) in days."""
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and is_leap else _MONTH_DAYS[month - 1]


def days_of_date(year: int, month: int, day: int) -> int:
    """Return the days from 2000-01-01 to a date that exists."""
    # Counting years from March puts the leap day last, so months have a fixed pattern.
    shifted_year = year - (month < 3)
    era, year_of_era = divmod(shifted_year, _ERA_YEARS)
    day_of_year = (153 * ((month - 3) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _ERA_DAYS + day_of_era - _EPOCH_DAYS


def date_of_days(days: int) -> tuple[int, int, int]:
    """Return (year, month, day) for days from 2000-01-01."""
    era, day_of_era = divmod(days + _EPOCH_DAYS, _ERA_DAYS)
    leap_days = day_of_era // 1460 - day_of_era // 36_524 + day_of_era // 146_096
    year_of_era = (day_of_era - leap_days) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = (shifted_month + 2) % 12 + 1
    return era * _ERA_YEARS + year_of_era + (month < 3), month, day
