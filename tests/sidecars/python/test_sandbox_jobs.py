"""Real jobs: data from the gate become a workbook with a chart and a document with a picture.

The files are opened by readers that have nothing to do with the packages that wrote them: Calamine
(Rust) and PDFium (C++).
"""

from __future__ import annotations

import asyncio
import io
import xml.etree.ElementTree as ElementTree
import zipfile
from typing import Any

import pypdfium2
from python_calamine import CalamineWorkbook

from tests.sidecars.python.conftest import Service

WORKBOOK = """
from openpyxl import Workbook
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Font

def rows(f): return f if isinstance(f, list) else f.to_dict('records')

book = Workbook(); sheet = book.active; sheet.title = 'Sales'
sheet.append(['mood', 'orders', 'amount'])
for cell in sheet[1]: cell.font = Font(bold=True)
sql = '''select mood::text as mood, count(*) as orders, sum(amount) as amount
         from shop.orders group by mood order by mood'''
for row in rows(query(sql)):
    sheet.append([row['mood'], int(row['orders']), row['amount']])
for cell in sheet['C'][1:]: cell.number_format = '#,##0.00 "EUR"'
chart = BarChart(); chart.title = 'Amount by mood'
chart.add_data(Reference(sheet, min_col=3, min_row=1, max_row=sheet.max_row), titles_from_data=True)
chart.set_categories(Reference(sheet, min_col=1, min_row=2, max_row=sheet.max_row))
sheet.add_chart(chart, 'E2')
book.save('sales.xlsx')
sheet.max_row
"""

REPORT = """
import io
from PIL import Image as Picture, ImageDraw
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Image, Paragraph, SimpleDocTemplate, Table

def rows(f): return f if isinstance(f, list) else f.to_dict('records')

found = rows(query('select region, count(*) as n from shop.orders group by region'))
picture = Picture.new('RGB', (200, 100), (255, 0, 0))
ImageDraw.Draw(picture).rectangle((0, 0, 99, 99), fill=(0, 0, 255))
picture.save('picture.png')
style = getSampleStyleSheet()
SimpleDocTemplate('report.pdf').build([
    Paragraph('Orders by region', style['Title']),
    Table([['region', 'orders']] + [[r['region'], str(r['n'])] for r in found]),
    Image('picture.png', 200, 100),
])
picture
"""


async def made(service: Service, code: str, name: str) -> tuple[Any, bytes]:
    answer = await service.run(code)
    assert answer["ok"], answer["error"]
    status, content = await service.ask("GET", f"/runs/{answer['id']}/files/{name}")
    assert status == 200
    return answer, content


async def test_a_workbook_with_formats_and_a_chart(service: Service) -> None:
    answer, content = await made(service, WORKBOOK, "sales.xlsx")
    rows_max = answer["result"]["value"]
    (sheet,) = [CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_name("Sales")]
    rows = sheet.to_python()
    assert rows[0] == ["mood", "orders", "amount"]
    assert len(rows) == rows_max
    assert sum(row[1] for row in rows[1:]) == 1000
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        chart = ElementTree.fromstring(archive.read("xl/charts/chart1.xml"))
        styles = archive.read("xl/styles.xml").decode()
    assert [one.tag.rpartition("}")[2] for one in chart.iter()].count("ser") == 1
    assert "EUR" in styles


async def test_a_document_with_a_table_and_a_picture(service: Service) -> None:
    answer, content = await made(service, REPORT, "report.pdf")
    assert answer["result"]["kind"] == "image"

    def looked_at() -> tuple[str, set[tuple[int, ...]]]:
        document = pypdfium2.PdfDocument(content)
        try:
            page = document[0]
            text = page.get_textpage().get_text_range()
            image = page.render(scale=1)
            data = bytes(image.buffer)
            count = image.n_channels
            pixels = {tuple(data[at : at + count]) for at in range(0, len(data), count)}
            return text, pixels
        finally:
            document.close()

    text, pixels = await asyncio.to_thread(looked_at)
    assert "Orders by region" in text
    assert "emea" in text
    assert "1000" in text
    assert {(0, 0, 255), (255, 0, 0)} <= {pixel[:3] for pixel in pixels}
