"""PolicySet: the loaded policy as one pure function from identity and relation to decision."""

from __future__ import annotations

from policies.model import ColumnDecision, RelationDecision, RelationKey, VisibleColumn

__all__ = ["ColumnDecision", "RelationDecision", "RelationKey", "VisibleColumn"]
