"""What must not leave the machine with a report: credentials in commands, addresses and messages."""

from __future__ import annotations

import re
import shlex

from fishnet_search.study.record import StudyRecord, TrialRecord

HIDDEN = "***"

_NAMES = (
    r"(?:[\w.-]{0,200}(?:passw(?:or)?d|pwd|passphrase|secret|token|credential|signature"
    r"|(?:api|access|account|private|storage)[_-]?key)[\w.-]{0,200}|-*sig)"
)
"""What options, variables and parameters are called that hold a credential; the bounds keep the search fast."""

_QUOTED = r"'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\""

# of words of a command line, which are credentials to their end, whatever letters they have
_WORD_LOGIN = re.compile(r"(?<=://)[^/@:]*(?::.*)?@", re.DOTALL)
_WORD_SETTING = re.compile(rf"(?<![\w.?&-]){_NAMES}=", re.IGNORECASE)
_WORD_OPTION = re.compile(rf"-{_NAMES}", re.IGNORECASE)

# of text, in which nothing tells where a credential ends
_LOGIN = re.compile(r"(?<=://)[^\s/@:]*(?::\S*)?@")
"""Everything before the last @ of an address: a token may stand where the user does, and a password may hold an @."""

_PARAMETER = re.compile(rf"([?&]{_NAMES}=)[^\s&]+", re.IGNORECASE)
_SETTING = re.compile(rf"(?<![\w.?&-])({_NAMES}=)(?:{_QUOTED}|\S)+", re.IGNORECASE)
"""`PGPASSWORD=...`, `--api-key=...`; too much goes rather than too little."""

_OPTION = re.compile(rf"(?<!\S)(-{_NAMES})\s+(?!-)(?:{_QUOTED}|\S)+", re.IGNORECASE)
_PAIR = re.compile(rf"((['\"]){_NAMES}\2\s*[:,]\s*)(?:{_QUOTED}|[^\s,}}\])]+)", re.IGNORECASE)
"""`'password': 'x'` as of a dictionary, `'--password', 'x'` as of a list of words."""

_BEARER = re.compile(
    r"((?:\bauthorization['\"]?\s*[:=]\s*['\"]?\w+|\bbearer)\s+)[\w.~+/=-]{8,}",  # "basic" alone is a plain word
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"(?<![\w-])(?:gh[a-z]_[A-Za-z0-9]{10,}|github_pat_\w{10,}|hf_[A-Za-z0-9]{16,}|sk-[\w-]{16,}|xox[a-z]-[\w-]{8,}"
    r"|A[KS]IA[A-Z0-9]{12,})"
)
"""Tokens that say what they are, of GitHub, Hugging Face, OpenAI and the like, Slack and AWS."""


def without_secrets(text: str) -> str:
    """Return text in which what looks like a credential is replaced by `***`.

    These are who logs in at an address, values that are given to options, variables and parameters called password,
    token, secret, key and the like, and tokens that can be told by their letters. What a path or a plain word gives
    away cannot be known.
    """
    text = _LOGIN.sub(f"{HIDDEN}@", text)
    for pattern in (_PARAMETER, _SETTING, _PAIR, _BEARER):
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    text = _OPTION.sub(rf"\g<1> {HIDDEN}", text)
    return _TOKEN.sub(HIDDEN, text)


def redacted_command(command: str) -> str:
    """Return a command line without credentials, word by word as a shell reads it: each ends with its word."""
    try:
        words = shlex.split(command)
    except ValueError:  # no shell would read it
        return without_secrets(command)
    shown, asked = list[str](), False
    for word in words:
        shown.append(_quoted(HIDDEN if asked else _redacted_word(word)))
        asked = not asked and _WORD_OPTION.fullmatch(word) is not None
    return " ".join(shown)


def redacted_study(study: StudyRecord) -> StudyRecord:
    """Return a study without credentials in the words that are shown of it."""
    told = {
        "command": redacted_command(study.command),
        "description": without_secrets(study.description),
        "data": study.data.model_copy(update={"source": without_secrets(study.data.source)}),
        "refused": tuple(one.model_copy(update={"reason": without_secrets(one.reason)}) for one in study.refused),
    }
    return study.model_copy(update=told)


def redacted_trial(trial: TrialRecord) -> TrialRecord:
    """Return a trial without credentials in what is told of its failure."""
    if trial.failure is None:
        return trial
    told = {"message": without_secrets(trial.failure.message), "traceback": without_secrets(trial.failure.traceback)}
    return trial.model_copy(update={"failure": trial.failure.model_copy(update=told)})


def _redacted_word(word: str) -> str:
    word = _WORD_LOGIN.sub(f"{HIDDEN}@", word)
    setting = _WORD_SETTING.search(word)
    return without_secrets(word) if setting is None else without_secrets(word[: setting.end()]) + HIDDEN


def _quoted(word: str) -> str:
    """Quote a word for a shell, but for the stars, which nobody types."""
    plain = word.replace(HIDDEN, "x")
    return word if shlex.quote(plain) == plain else shlex.quote(word)
