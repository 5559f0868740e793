"""Storage of solutions and references on disk."""

from ._path_storage import path_dataset as path_dataset, paths_of as paths_of
from ._reference_store import (
    VERSION as VERSION,
    ReferenceStore as ReferenceStore,
    keep_reference as keep_reference,
    source_hash as source_hash,
)
from ._run_kinds import check_kinds as check_kinds
from ._storage import (
    FORMAT as FORMAT,
    load as load,
    parse_run as parse_run,
    read_back as read_back,
    read_run as read_run,
    save as save,
)
