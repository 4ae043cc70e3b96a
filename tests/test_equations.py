"""A module opens with its equations, and each stands again above the line that computes it.

An equation is what has one of = ← ≈ ≥ in an indented block after ``::`` in the module's docstring:
a line of it, or a part of a line that three spaces (or a comma and two) set apart. A line that
begins with an operator goes on with the line before. What has no such sign is explanation, and so
is what is in parentheses or backticks behind three spaces.

It stands again if a comment directly above a line of code has it, character by character but for
spaces, between the comment's beginning or end and punctuation.

What no line computes (definitions, steps of a derivation, what is said again in other words) is
listed here, by its beginning, with the reason; so are the modules without mathematics.
"""

import ast
import io
import re
import tokenize

import pytest
from conftest import ROOT

PACKAGE = ROOT / "scratchnet"

WITHOUT = {
    "network/architecture.py": "a table of layers",
    "network/layer.py": "a contract: the layers compute it",
    "style/checkpoint.py": "a file's format",
    "style/course.py": "rules for when to stop",
    "style/transfer.py": "a loop",
    "checks/gaussians.py": "a list of checks",
    "checks/catalogue.py": "a list of checks: `numerical` and the layers compute them",
}
INTRODUCTIONS = "__init__.py"  # of a chapter: no line of code in them
SCANNING = "units/scan"  # files, processes and their results

NOT_COMPUTED = {
    "network/convolution.py": {
        "W′ = ": "as H′, by the same line",
        "Y_rk′ = ": "one entry of Y = X Ω + b, for the derivation",
        "∂J/∂X_rq = ": "one entry of dX = dY Ωᵀ",
        "∂J/∂Ω_qk′ = ": "one entry of dΩ = Xᵀ dY",
        "∂J/∂b_k′ = ": "the same as db_k′ beside it",
        "dx_mnk = ": "what col2im(dX) comes to, entry by entry",
    },
    "network/gram.py": {
        "Gram = AᵀA": "Gram_kk′ as a matrix, computed by one line with it",
        "∂Gram_kk′/∂a_ijc = ": "a step towards dA",
        "∂J/∂a_ijc = ": "a step towards dA",
    },
    "style/losses.py": {
        "J = 1/(4C²) Σ_kk′ (Gram_kk′(G)/M_G": "D_kk′ is what is in the brackets: see `style_loss`",
        "J = ½ Σ (differences": "in words; `total_variation` says it by indices",
    },
    "style/wasserstein.py": {
        "ΔX = ": "a step towards ∂J/∂Cov",
        "tr(X^−½ ΔX) = ": "a step towards ∂J/∂Cov",
    },
    "style/terms.py": {"J(G) = ": "each summand is a class's first line; `objective` adds them up"},
    "style/optimizers.py": {
        "G ← G + μ v − η_t ĝ": "clipped in the same line",
        "G ← clip(G, 0, 255)": "clipped in the same line",
        "state = optimizer.start": "how to call it",
        "image, state = optimizer.step": "how to call it",
    },
    "style/lbfgs.py": {
        "G ← G − H g": "Newton's step; the line that takes it clips G as well",
        "g = ∂J/∂G": "a definition",
        "H ← ": "never formed: the two loops are H g",
    },
    "units/attribution.py": {
        "A = (x − x′) · ∫": "the sum is computed",
        "Σ A = ": "what the others make true; test_attribution.py",
    },
}  # fmt: skip

RELATION = re.compile(r"\s[=←≈≥]\s")
OPERATOR = re.compile(r"[=←≈≥+−·]\s")


def literal_lines(docstring: str) -> list[str]:
    """Return the lines of the indented blocks that follow ``::``."""
    found, begun = [], False
    for line in docstring.splitlines():
        if line.startswith(" "):
            found += [line.strip()] * begun
        elif line:
            begun = line.endswith("::")
    return found


def equations(source: str) -> list[str]:
    """Return the equations that a module opens with."""
    parts: list[str] = []
    for line in literal_lines(ast.get_docstring(ast.parse(source)) or ""):
        for part in re.split(r"\s{3,}|,\s{2,}", line):
            if OPERATOR.match(part) and parts:
                parts[-1] += f" {part}"  # aligned, or the next line of the same equation
            elif not part.startswith(("(", "`")):
                parts.append(part)
    parts = [" ".join(part.split()).rstrip(",") for part in parts]
    return [part for part in parts if RELATION.search(part) and not part.endswith(":")]


def comments_above_code(source: str) -> list[str]:
    """Return the lines of the comments that are directly above a line of code."""
    comments = {
        token.start[0]: " ".join(token.string.lstrip("#").split())
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip()
    }
    found, run = [], []
    for number, line in enumerate(source.splitlines(), start=1):
        if number not in comments:
            found += run if line.strip() else []
            run = []
        elif OPERATOR.match(comments[number]) and run:
            run[-1] += f" {comments[number]}"
        else:
            run.append(comments[number])
    return found


def missing(source: str, not_computed=()) -> list[str]:
    """Return the equations that a module opens with and does not repeat where it computes them."""
    comments = comments_above_code(source)
    return [
        equation
        for equation in equations(source)
        if not equation.startswith(tuple(not_computed))
        and not any(
            re.search(rf"(^|[,;:.] ){re.escape(equation)}($|[,;:.])", comment)
            for comment in comments
        )
    ]


MODULES = {
    path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8")
    for chapter in ("network", "style", "checks", "units")
    for path in sorted((PACKAGE / chapter).rglob("*.py"))
    if path.name != INTRODUCTIONS and SCANNING not in path.as_posix()
}


@pytest.mark.parametrize("name", sorted(MODULES.keys() - WITHOUT.keys()))
def test_each_equation_stands_again_above_its_line(name):
    assert equations(MODULES[name]), "opens with no equation"
    lost = missing(MODULES[name], NOT_COMPUTED.get(name, ()))
    assert not lost, f"{name}: above no line of code: {lost}"


@pytest.mark.parametrize("name", sorted(MODULES.keys() - WITHOUT.keys()))
def test_none_is_found_where_there_are_no_comments(name):
    bare = re.sub(r"^ *#.*\n", "", MODULES[name], flags=re.MULTILINE)
    assert missing(bare) == equations(bare) == equations(MODULES[name])


def test_what_is_listed_is_there():
    assert WITHOUT.keys() | NOT_COMPUTED.keys() <= MODULES.keys()
    for name, beginnings in NOT_COMPUTED.items():
        for beginning in beginnings:
            assert any(e.startswith(beginning) for e in equations(MODULES[name])), beginning


MADE_UP = '''"""A module.

Text, with a = b in it ::

    y_i  = max(x_i, 0),    z = 2·y          where x_i > 0
    long = first
         + second                           (an explanation, w = 1)

A block that no colons introduce

    u = v
"""

def forward(x):
    # y_i = max(x_i, 0); the rest of the comment
    y = max(x, 0)
    # z = 2·y
    # long = first
    # + second
    return 2 * y
'''


def test_equations_are_told_from_explanations():
    assert equations(MADE_UP) == ["y_i = max(x_i, 0)", "z = 2·y", "long = first + second"]


def test_a_module_that_repeats_them_passes():
    assert not missing(MADE_UP)


@pytest.mark.parametrize(
    ("comment", "instead"),
    [
        ("    # z = 2·y\n", ""),
        ("    # z = 2·y\n", "    # z = 3·y\n"),
        ("    # z = 2·y\n", "    # z = 2·y + 1\n"),
        ("    # z = 2·y\n", "    # z = 2·y\n\n"),  # not directly above
        ("    # z = 2·y\n", '    """# z = 2·y"""\n'),
    ],
)
def test_a_comment_taken_away_or_changed_is_missed(comment, instead):
    assert MADE_UP.count(comment) == 1
    assert "z = 2·y" in missing(MADE_UP.replace(comment, instead))
