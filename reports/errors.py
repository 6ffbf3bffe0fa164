"""What can go wrong with reports, each one of the eight kinds."""

from mcp_platform import errors


class ReportNotFound(errors.NotFound):
    """There is no such report."""

    code = "REPORT_NOT_FOUND"


class FileNotFound(errors.NotFound):
    """The report has no file of this format."""

    code = "REPORT_FILE_NOT_FOUND"


class BrandingNotFound(errors.NotFound):
    """There is no such branding."""

    code = "BRANDING_NOT_FOUND"


class TemplateNotFound(errors.NotFound):
    """There is no such report template."""

    code = "REPORT_TEMPLATE_NOT_FOUND"


class RunNotDone(errors.Conflict):
    """A report is made of a run that is done; this one is not."""

    code = "RUN_NOT_DONE"


class ReportNotReady(errors.Conflict):
    """The report is not ready yet, or has failed."""

    code = "REPORT_NOT_READY"


class ReportOvertaken(errors.Conflict):
    """A later revision says already how things were, and this one never did; ask for the next revision instead."""

    code = "REPORT_OVERTAKEN"


class LinkExpired(errors.Denied):
    """The link is not valid, or not any more; ask for a new one."""

    code = "REPORT_LINK_EXPIRED"


class ReportExpired(errors.NotFound):
    """The time for which this report was to be kept is over: what it said is gone, whether a copy of it is genuine can still be verified."""

    code = "REPORT_EXPIRED"


class ScheduleNotFound(errors.NotFound):
    """There is no such schedule."""

    code = "REPORT_SCHEDULE_NOT_FOUND"


class CertificateNotFound(errors.NotFound):
    """There is no such certificate."""

    code = "CERTIFICATE_NOT_FOUND"


class CertificateNotValid(errors.Conflict):
    """The certificate that reports are signed with is not valid today; put a new one in its place, or switch it off."""

    code = "CERTIFICATE_NOT_VALID"


class NothingToReport(errors.Conflict):
    """There is nothing to report yet: no building has been checked."""

    code = "NOTHING_TO_REPORT"


class ReportTooLarge(errors.Invalid):
    """There are more findings than a report can hold; report on fewer buildings, or put the worst right first."""

    code = "REPORT_TOO_LARGE"
