"""What must not leave the machine with a report: credentials in commands, addresses and messages."""

from __future__ import annotations

import re

from fishnet_search.study.record import StudyRecord, TrialRecord

HIDDEN = "***"

_LOGIN = re.compile(r"(?<=://)[^\s/@:]*(?::\S*)?@")
"""Everything before the last @ of an address: a token may stand where the user does, and a password may hold an @."""

_NAMES = r"[\w-]*(?:passw(?:or)?d|pwd|passphrase|secret|token|credential|api[_-]?key|access[_-]?key|signature)[\w-]*"
_SETTING = re.compile(rf"(?<![\w-])({_NAMES}=)(?:'[^']*'|\"[^\"]*\"|[^\s&;,'\"]+)", re.IGNORECASE)
"""`PGPASSWORD=...`, `--api-key=...`, `?password=...&`."""

_OPTION = re.compile(rf"(?<!\S)(--{_NAMES})\s+(?:'[^']*'|\"[^\"]*\"|[^\s-]\S*)", re.IGNORECASE)
_BEARER = re.compile(r"(\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """Return text in which what looks like a credential is replaced by `***`.

    These are who logs in at an address, values that are given to options, variables and parameters called password,
    token, secret, key and the like, and tokens of HTTP. What a path or a plain word gives away cannot be known.
    """
    text = _LOGIN.sub(f"{HIDDEN}@", text)
    text = _SETTING.sub(rf"\g<1>{HIDDEN}", text)
    text = _OPTION.sub(rf"\g<1> {HIDDEN}", text)
    return _BEARER.sub(rf"\g<1>{HIDDEN}", text)


def redacted_study(study: StudyRecord) -> StudyRecord:
    """Return a study without credentials in the words that are shown of it."""
    data = study.data.model_copy(update={"source": without_secrets(study.data.source)})
    return study.model_copy(update={"command": without_secrets(study.command), "data": data})


def redacted_trial(trial: TrialRecord) -> TrialRecord:
    """Return a trial without credentials in what is told of its failure."""
    if trial.failure is None:
        return trial
    told = {"message": without_secrets(trial.failure.message), "traceback": without_secrets(trial.failure.traceback)}
    return trial.model_copy(update={"failure": trial.failure.model_copy(update=told)})
