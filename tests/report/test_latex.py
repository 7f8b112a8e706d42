"""The table for papers."""

from __future__ import annotations

import re
import shutil
import subprocess

import pandas as pd
import pytest

from fishnet_search.report.latex import escaped, latex_table

TABLE = pd.DataFrame(
    {
        "variant": ["base", r"100% \input{x} a_b #1 & ~^$"],
        "SE": ["–", "✓"],
        "test top-1 (%)": ["93.00 ± 8.96", "91.00 ± –"],
        "difference (points)": ["–", "−2.00 ± 0.35"],
        "p (Holm)": ["–", "< 0.001"],
        "verdict": ["baseline", "larger than the noise"],
    }
)


def latex(table=TABLE, **told):
    words = {"variant", "SE", "verdict"}
    told = {"caption": "A & B", "label": "tab:a-b", "notes": ["[1] 100 % his"], "origin": "made\nby us"} | told
    return latex_table(table, words, **told)


def body(text):
    """The cells between the rules of booktabs."""
    inner = text.split("\\midrule\n")[1].split("\\bottomrule")[0]
    return [[cell.strip() for cell in row.split(" & ")] for row in inner.replace(r"\\", "").splitlines()]


def test_cells_are_escaped_and_signs_are_written_in_latex():
    assert body(latex()) == [
        ["base", "--", r"93.00 $\pm$ 8.96", "--", "--", "baseline"],
        [
            r"100\% \textbackslash input\{x\} a\_b \#1 \& \textasciitilde \textasciicircum \$",
            r"\checkmark",
            r"91.00 $\pm$ --",
            r"\textbf{$-$2.00 $\pm$ 0.35}",
            "$<$ 0.001",
            "larger than the noise",
        ],
    ]


def test_it_has_the_rules_of_booktabs_and_says_which_packages_it_needs():
    text = latex()
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule", "\\hline")] == [1, 1, 1, 0]
    assert text.startswith(
        "% made by us\n% Needs in the preamble: \\usepackage{booktabs} \\usepackage{adjustbox} \\usepackage{amssymb}\n"
    )
    assert r"\begin{tabular}{llrrrl}" in text
    assert "amssymb" not in latex(TABLE.drop(columns="SE"))


def test_every_environment_is_closed_and_nothing_beyond_ascii_is_left():
    text = latex()
    assert re.findall(r"\\begin\{(\w+)\}", text) == re.findall(r"\\end\{(\w+)\}", text)[::-1]
    assert text.isascii()


def test_a_line_break_in_a_name_is_a_blank():
    assert body(latex(TABLE.replace("base", "two\nlines")))[0][0] == "two lines"
    assert escaped("50 %\nof $x$") == r"50 \% of \$x\$"
    assert escaped("−∞") == r"$-$$\infty$"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here: apt-get install texlive-latex-extra")
def test_it_compiles(tmp_path):
    preamble = "".join(rf"\usepackage{{{name}}}" for name in ("booktabs", "adjustbox", "amssymb"))
    (tmp_path / "paper.tex").write_text(
        rf"\documentclass{{article}}{preamble}\begin{{document}}" + "\n" + latex() + r"\end{document}"
    )
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
