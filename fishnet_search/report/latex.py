"""A table to paste into a paper."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from fishnet_search.evidence.effects import LARGER

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}
"""As pandas escapes them."""

_SIGNS = {
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "×": r"$\times$",
    "∞": r"$\infty$",
    "✓": r"\checkmark",
    "<": "$<$",
    ">": "$>$",
}
"""Those beyond ASCII that tables have, and those that older font encodings show as something else."""


def latex_table(
    table: pd.DataFrame, words: Collection[str], *, caption: str, label: str, notes: Sequence[str], origin: str
) -> str:
    """Return a table of strings as a `table` environment with booktabs' rules, one row a line.

    It is no wider than a line, whatever it takes. Differences larger than the noise are bold.

    Args:
        table: With a column `variant` or one an axis, `difference (points)` and `verdict`.
        words: Columns that are words and not numbers.
        caption: Above the table.
        label: To refer to it by, in letters that need no escape.
        notes: Sentences below the table.
        origin: What made it, for a comment.
    """
    tidy = table.map(lambda cell: " ".join(str(cell).split()))
    clear = (tidy["verdict"] == LARGER).to_numpy()
    bold = tidy.style.apply(lambda column: ["textbf:--rwrap;" if one else "" for one in clear], subset=[_DIFFERENCE])
    tabular = (
        bold.hide(axis="index")
        .format(escape="latex")
        .format_index(escape="latex", axis="columns")
        .to_latex(hrules=True, column_format="".join("l" if name in words else "r" for name in tidy.columns))
    )
    tabular = _signed(tabular).rstrip()
    packages = ["booktabs", "adjustbox", *(["amssymb"] if r"\checkmark" in tabular else [])]
    lines = [
        f"% {' '.join(origin.split())}",
        "% Needs in the preamble: " + " ".join(rf"\usepackage{{{package}}}" for package in packages),
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(caption)}}}",
        rf"\label{{{label}}}",
        r"\begin{adjustbox}{max width=\linewidth}",
        tabular,
        r"\end{adjustbox}",
        *(rf"\par\smallskip{{\footnotesize {escaped(note)}}}" for note in notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Return text that LaTeX shows as it is, on one line."""
    return _signed("".join(_SPECIAL.get(letter, letter) for letter in " ".join(text.split())))


def _signed(text: str) -> str:
    return "".join(_SIGNS.get(letter, letter) for letter in text)


_DIFFERENCE = "difference (points)"
