"""The pages of reports in the admin; importing them registers them."""

from reports.admin import keeping, reports, schedules

__all__ = ["keeping", "reports", "schedules"]
