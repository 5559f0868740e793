"""The result page of a run and the page of a comparison, each a self-contained file."""

from ._comparison_report import write_comparison as write_comparison
from ._report import write_report as write_report
from ._report_tables import with_error as with_error
