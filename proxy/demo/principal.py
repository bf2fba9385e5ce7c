"""The people of the demonstration: who they are, what their token says, what each should see.

This file must not know how a token is signed, or what policy makes of a role: that is in
`policies/examples/company.yaml`. What is said under `sees` is shown beside the connection line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Principal:
    """One person: `name` is the token's subject; `sees` are short sentences for the terminal;
    `example` is a statement worth typing first."""

    name: str
    title: str
    roles: tuple[str, ...]
    regions: tuple[str, ...] = ()
    sees: tuple[str, ...] = field(default=())
    example: str = ""

    def claims(self) -> dict[str, object]:
        """The token's claims beside the registered ones (RFC 7519 §4.1)."""
        return {"roles": list(self.roles), "regions": list(self.regions), "login": self.name}


_EVERYONE: Final = (
    Principal(
        name="alice",
        title="analyst, region emea",
        roles=("analyst",),
        regions=("emea",),
        sees=(
            "customers, orders and web events of emea only; e-mail and national ids masked",
            "employees without salary, national id and iban: the columns do not exist",
            "tickets without their text, no messages, no confidential documents",
        ),
        example="select region, count(*), min(email) from sales.customers group by region",
    ),
    Principal(
        name="bob",
        title="customer support, region amer",
        roles=("support",),
        regions=("amer",),
        sees=(
            "customers and tickets of amer only, e-mail clear; of national ids the last four",
            "every message of those tickets, internal notes too",
            "of hr only the names of the departments",
        ),
        example="select name, email, national_id from sales.customers"
        " where segment = 'leisure' limit 5",
    ),
    Principal(
        name="carol",
        title="people and finance",
        roles=("hr", "finance"),
        sees=(
            "all employees with salary and national id; of the iban the last four",
            "all orders and product costs of every region; customers' names, but no contact data",
            "Project Larkspur: restricted documents that are hers",
        ),
        example="select grade, avg(salary) from hr.employees group by grade order by grade",
    ),
    Principal(
        name="dave",
        title="team lead in field engineering",
        roles=("manager",),
        regions=("apac",),
        sees=("his own team with salaries rounded to 10,000, and himself",),
        example="select full_name, job_title, salary from hr.employees",
    ),
)

PRINCIPALS: Final = MappingProxyType({principal.name: principal for principal in _EVERYONE})

SHOWN: Final = ("alice", "bob", "carol")
"""Those whose connection lines are printed; the others are there for `sallyport token --as`."""
