"""Fingerprints are made beside the models, whose problems carry one; solvers, validation and scenarios take them from here."""

from ..models._fingerprint import fingerprint as fingerprint
