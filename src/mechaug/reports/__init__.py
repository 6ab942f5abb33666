"""Reports: pages, sheets and tables, made from results alone."""

from mechaug.reports.html import write

__all__ = ["write"]
