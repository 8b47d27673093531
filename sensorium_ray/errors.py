"""What can go wrong, drawn as a tree.

SensoriumError            anything that this package reports in one sentence
└── InputError            what you gave is at fault: exit status 1, HTTP 4xx
    ├── DataError         a mouse folder, a frame store, a trial or a clip
    │   └── ArchiveError  a zip that is damaged or not to be trusted
    ├── ConfigError       an architecture's, a search space's or a command's settings
    ├── BundleError       a bundle or a checkpoint
    │   └── ExportError   an exported model that does not answer as its torch original does
    ├── SubmissionError   a submission file
    │   └── QuotaError    one more than a team may send that day
    ├── EndpointError     an endpoint that refused a request or was not there
    └── ClusterError      a cluster's file, or a cluster that refused or was not there

Every error takes the same three positional strings, since an exception with keyword-only arguments loses
its type when it crosses from one Ray process to another.
"""

from __future__ import annotations


class SensoriumError(Exception):
    """One clear sentence: what is wrong, where, and how to mend it.

    Parameters
    ----------
    what : what is wrong.
    where : the file, folder, field or mouse that it is wrong in.
    mend : what the reader can do about it.
    """

    def __init__(self, what: str, where: str = "", mend: str = "") -> None:
        super().__init__(what, where, mend)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        sentence = f"{self.where}: {self.what}" if self.where else self.what
        return f"{sentence}; {self.mend}" if self.mend else sentence


class InputError(SensoriumError):
    """What the user gave is at fault."""


class DataError(InputError):
    """A mouse folder, a frame store, a trial or a clip is at fault."""


class ArchiveError(DataError):
    """A zip itself is at fault, not the disk that it lies on: to fetch it again may help."""


class ConfigError(InputError):
    """A setting of an architecture, a search space or a command is at fault."""


class BundleError(InputError):
    """A bundle or a checkpoint is at fault."""


class ExportError(BundleError):
    """An exported model does not answer as its torch original does."""


class SubmissionError(InputError):
    """A submission file is at fault."""


class QuotaError(SubmissionError):
    """A team has used its submissions of a day."""


class EndpointError(InputError):
    """An endpoint refused a request or was not there."""


class ClusterError(InputError):
    """A cluster's file is at fault, or a cluster refused or was not there."""
