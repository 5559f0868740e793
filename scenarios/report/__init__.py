"""The result page and the page of a comparison, each one self-contained file."""

from ._comparison_report import write_comparison as write_comparison
from ._report import write_report as write_report
from ._report_tables import with_error as with_error
