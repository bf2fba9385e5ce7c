"""Everything that is imported, and used once, before memory is frozen into the artifact.

What is loaded here costs a program nothing. Packages that an administrator adds are loaded by name
from `preload.txt`, which the build writes beside this file. This file must not know the host.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
import warnings
from typing import Any

STANDARD = """
abc argparse array ast base64 bisect calendar cmath codecs collections concurrent.futures
configparser contextlib copy csv dataclasses datetime decimal difflib email.message enum fnmatch
fractions functools getpass glob graphlib gzip hashlib heapq hmac html html.parser
importlib.metadata importlib.resources inspect io itertools json keyword locale logging math
numbers operator pathlib pickle platform pprint queue random re secrets shlex shutil socket
sqlite3 statistics string struct subprocess tarfile tempfile textwrap threading time timeit
tomllib types typing unicodedata unittest urllib.parse urllib.request uuid weakref
xml.etree.ElementTree xml.dom.minidom zipfile zlib zoneinfo encodings.ascii encodings.cp1251
encodings.cp1252 encodings.cp437 encodings.cp932 encodings.gbk encodings.idna encodings.iso8859_1
encodings.iso8859_15 encodings.latin_1 encodings.utf_16 encodings.utf_32 encodings.utf_8_sig
""".split()
PACKAGES = """
numpy numpy.fft numpy.linalg numpy.ma numpy.polynomial numpy.random pandas
pandas.core.reshape.merge pandas.io.excel._openpyxl pandas.io.formats.csvs pandas.io.formats.excel
pandas.io.formats.html pandas.io.formats.string pandas.io.formats.style pandas.io.json
pandas.io.parsers pandas.tseries.offsets openpyxl openpyxl.chart openpyxl.drawing.image
openpyxl.formatting.rule openpyxl.packaging.extended openpyxl.reader.excel openpyxl.styles
openpyxl.utils.dataframe openpyxl.worksheet.table openpyxl.writer.excel PIL.BmpImagePlugin
PIL.GifImagePlugin PIL.Image PIL.ImageDraw PIL.ImageFont PIL.JpegImagePlugin PIL.PngImagePlugin
reportlab.graphics.charts.barcharts reportlab.graphics.charts.linecharts
reportlab.graphics.charts.piecharts reportlab.graphics.shapes reportlab.lib.colors
reportlab.lib.pagesizes reportlab.lib.styles reportlab.lib.units reportlab.pdfbase.ttfonts
reportlab.pdfgen.canvas reportlab.platypus dateutil.parser dateutil.relativedelta dateutil.tz
tzdata jinja2 markupsafe regex tabulate
""".split()
ADDED = os.path.join(os.path.dirname(__file__), "preload.txt")


def everything() -> None:
    """Import all of it. Raises ImportError: then the artifact is not made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in STANDARD:
            importlib.import_module(name)
        added = _lines(ADDED)
        for name in [*PACKAGES, *added]:
            # An operator's list may leave a package out, and no part of one that is there.
            if name in added or importlib.util.find_spec(name.partition(".")[0]) is not None:
                importlib.import_module(name)
        for use, needed in ((_use_pandas, "pandas"), (_use_reports, "reportlab")):
            if importlib.util.find_spec(needed) is not None:
                use()


def _lines(path: str) -> list[str]:
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return file.read().split()


def seed(value: int) -> None:
    """Numpy's own generator; what was frozen would be the same in every run."""
    try:
        import numpy
    except ImportError:
        return  # the environment without packages, which the project's quick tests use
    numpy.random.seed(value & 0xFFFF_FFFF)


def _use_reports() -> None:
    """Take the usual ways, so that what they import and keep is frozen too."""
    import openpyxl
    from openpyxl.chart import BarChart, Reference
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

    book = openpyxl.Workbook()
    book.active.append([1, 2])
    chart = BarChart()
    chart.add_data(Reference(book.active, min_col=1, min_row=1, max_row=1))
    book.active.add_chart(chart, "D1")
    out = io.BytesIO()
    book.save(out)
    openpyxl.load_workbook(io.BytesIO(out.getvalue()))
    paragraph = Paragraph("x <b>y</b>", getSampleStyleSheet()["Normal"])
    SimpleDocTemplate(io.BytesIO()).build([paragraph, Table([[1, 2]])])


def _use_pandas() -> None:
    """The same for tables."""
    import numpy
    import pandas

    data: dict[str, Any] = {"a": [1, 2, 1], "b": [1.0, 2.0, 3.0], "c": ["x", "y", "x"]}
    frame = pandas.DataFrame(data | {"d": pandas.to_datetime(["2024-01-01"] * 3)})
    frame.groupby("a")["b"].mean()
    frame.describe()
    str(frame)
    frame.merge(frame, on="a")
    frame.pivot_table(index="a", columns="c", values="b")
    frame.set_index("d").resample("D")["b"].sum()
    frame.sort_values("b")["c"].str.upper()
    frame.style.to_html()
    for write in (frame.to_csv, frame.to_json, frame.to_html):
        write(io.StringIO())
    pandas.read_csv(io.StringIO("a,b\n1,2\n"))
    book = io.BytesIO()
    frame.to_excel(book)
    pandas.read_excel(io.BytesIO(book.getvalue()))
    # Patched sources must be what was frozen: bookkeeping of blocks in another integer type fails
    # at the next merge.
    frame["e"] = 1
    frame.insert(0, "f", 1)
    if frame._mgr.blknos.dtype != numpy.intp:
        raise ImportError("pandas is not the patched one")
