"""A report as PDF: laid out until the contents are right, tagged, with its data attached; the same document gives the same bytes."""

from reports.render.pdf.making import make

__all__ = ["make"]
