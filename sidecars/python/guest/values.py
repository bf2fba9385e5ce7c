"""How the value of a program's last expression is shown: JSON, a table, an image, or text.

This file must not know the host.
"""

from __future__ import annotations

import base64
import datetime
import io
import json
import math
import sys
from typing import Any

ROWS_MAX = 1_000
COLUMNS_MAX = 200
TEXT_CHARACTERS_MAX = 20_000
JSON_CHARACTERS_MAX = 1_000_000
IMAGE_BYTES_MAX = 5_000_000


def shown(value: Any) -> str:
    """JSON with `kind`: `none`, `json`, `table`, `image` or `text`. Raises what its methods do."""
    if value is None:
        return "null"
    described = _table(value) or _image(value) or _as_json(value) or _text(value)
    text = json.dumps(described, allow_nan=False)
    return text if len(text) <= JSON_CHARACTERS_MAX * 2 else json.dumps(_text(value))


def _table(value: Any) -> dict[str, Any] | None:
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(value, pandas.DataFrame | pandas.Series):
        return None
    frame = value.to_frame() if isinstance(value, pandas.Series) else value
    part = frame.iloc[:ROWS_MAX, :COLUMNS_MAX]
    is_plain = isinstance(frame.index, pandas.RangeIndex)
    rows = list(part.itertuples(index=not is_plain, name=None))
    names = [str(name) for name in part.columns]
    types = [str(one) for one in part.dtypes]
    if not is_plain:
        names.insert(0, str(frame.index.name or "index"))
        types.insert(0, str(frame.index.dtype))
    return {
        "kind": "table",
        "columns": names,
        "types": types,
        "rows": [[_cell(cell) for cell in row] for row in rows],
        "row_count": len(frame),
        "column_count": len(frame.columns),
    }


def _image(value: Any) -> dict[str, Any] | None:
    module = sys.modules.get("PIL.Image")
    if module is None or not isinstance(value, module.Image):
        return None
    out = io.BytesIO()
    value.save(out, "PNG")
    content = out.getvalue()
    if len(content) > IMAGE_BYTES_MAX:
        return None
    data = base64.b64encode(content).decode()
    return {"kind": "image", "media_type": "image/png", "data": data}


def _as_json(value: Any) -> dict[str, Any] | None:
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        value = value.tolist()
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
    return {"kind": "json", "value": value} if len(text) <= JSON_CHARACTERS_MAX else None


def _text(value: Any) -> dict[str, Any]:
    text = repr(value).encode("utf-8", "replace").decode("utf-8")
    return {"kind": "text", "text": text[:TEXT_CHARACTERS_MAX], "characters": len(text)}


def _cell(cell: Any) -> Any:
    """A table's cell as a JSON value: missing ones null, exact and temporal ones text."""
    pandas = sys.modules["pandas"]
    if hasattr(cell, "item") and not isinstance(cell, str | bytes):
        cell = cell.item()
    if cell is None or cell is pandas.NA or cell is pandas.NaT:
        return None
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else (None if math.isnan(cell) else str(cell))
    if isinstance(cell, bool | int | str):
        return cell if not isinstance(cell, str) else cell[:TEXT_CHARACTERS_MAX]
    if isinstance(cell, datetime.datetime | datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell)[:TEXT_CHARACTERS_MAX]
