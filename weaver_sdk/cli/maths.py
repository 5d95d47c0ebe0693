"""LaTeX as models write it, turned into characters that a terminal can show: a reading aid, no renderer."""

from __future__ import annotations

import re

_GREEK = """
alpha α beta β gamma γ delta δ epsilon ε varepsilon ε zeta ζ eta η theta θ iota ι kappa κ lambda λ mu μ nu ν
xi ξ pi π rho ρ sigma σ tau τ upsilon υ phi φ varphi φ chi χ psi ψ omega ω
Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Phi Φ Psi Ψ Omega Ω
"""
_SIGNS = """
times × cdot · div ÷ pm ± mp ∓ ast ∗ star ⋆ circ ° degree ° prime ′ ell ℓ checkmark ✓
le ≤ leq ≤ ge ≥ geq ≥ ne ≠ neq ≠ approx ≈ equiv ≡ sim ∼ propto ∝
infty ∞ sum ∑ prod ∏ int ∫ partial ∂ nabla ∇ ldots … cdots ⋯ dots …
to → rightarrow → Rightarrow ⇒ implies ⇒ iff ⇔ leftarrow ← mapsto ↦
in ∈ notin ∉ subset ⊂ subseteq ⊆ cup ∪ cap ∩ emptyset ∅ varnothing ∅ mid |
forall ∀ exists ∃ neg ¬ land ∧ lor ∨ therefore ∴ because ∵ angle ∠ perp ⊥ parallel ∥ triangle △
lfloor ⌊ rfloor ⌋ lceil ⌈ rceil ⌉ langle ⟨ rangle ⟩
"""
_PAIRS = (_GREEK + _SIGNS).split()
_COMMANDS: dict[str, str] = dict(zip(_PAIRS[::2], _PAIRS[1::2], strict=True))
_NAMES = {
    "sin",
    "cos",
    "tan",
    "cot",
    "log",
    "ln",
    "exp",
    "lim",
    "max",
    "min",
    "gcd",
    "lcm",
    "det",
    "mod",
    "bmod",
}

_SUPER = str.maketrans("0123456789+-=()ni′", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ′")
_SUB = str.maketrans("0123456789+-=()aeijkmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑᵢⱼₖₘₙₒₚᵣₛₜᵤᵥₓ")
_RAISED = frozenset("0123456789+-=()ni′")
_LOWERED = frozenset("0123456789+-=()aeijkmnoprstuvx")

_FRAC = re.compile(r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_SHORT_FRAC = re.compile(r"\\[dtc]?frac\s*(\d)\s*(\d)")
_ROOT = re.compile(r"\\sqrt\s*(?:\[([^\[\]{}]*)\])?\s*\{([^{}]*)\}")
_PLAIN = re.compile(
    r"\\(?:text|textbf|textit|mathrm|mathbf|mathbb|mathit|operatorname|mbox|overline)\s*\{([^{}]*)\}"
)
_BOXED = re.compile(r"\\boxed\s*\{([^{}]*)\}")
_SCRIPT = re.compile(
    r"(?<![A-Za-z][A-Za-z])([\^_])(?:\{([^{}]*)\}|([0-9A-Za-z])(?![A-Za-z]))"
)  # not snake_case
_DEGREES = re.compile(r"\^(?:\\circ|\{\\circ\})")
_SPACES = re.compile(r"\\(?:left|right|big|Big|displaystyle)(?![A-Za-z])|\\[,;:! ]|\\q?quad(?![A-Za-z])")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_FENCES = re.compile(r"\\[()\[\]]")
_DOLLARS = re.compile(
    r"\$\$(?!\s*\$)(.{1,2000}?)\$\$|\$(?![\s$])([^$\n]{1,400}?)(?<![\s\\])\$(?!\d)", re.DOTALL
)
_MATHS_SIGN = re.compile(r"[\\^_=<>]|^[A-Za-z]$|^-?[\d.,]+$|[a-z] ?[+*/-] ?[a-z0-9]")
_ROUNDS = 6  # how deep commands may nest and still be turned


def readable(text: str, boxed: str = "{}") -> str:
    """Return the text with the common LaTeX commands as Unicode; what is not known stays as it is.

    Args:
        boxed: how the content of `\\boxed{…}` is shown; `{}` is where it goes.
    """
    if "$" in text:
        text = _DOLLARS.sub(_undollared, text)
    if "\\" not in text:
        return text
    text = _SPACES.sub(lambda m: " " if m[0][1] in " ,;:q" else "", _FENCES.sub("", text))
    text = text.replace(r"\%", "%").replace(r"\$", "$").replace(r"\{", "❴").replace(r"\}", "❵")
    text = _DEGREES.sub("°", text)
    text = _SHORT_FRAC.sub(r"\1/\2", text)
    text = _COMMAND.sub(_symbol, text)
    for _ in range(_ROUNDS):
        before = text
        text = _SCRIPT.sub(_script, text)
        text = _PLAIN.sub(r"\1", text)
        text = _ROOT.sub(_root, text)
        text = _FRAC.sub(lambda m: f"{_grouped(m[1])}/{_grouped(m[2])}", text)
        text = _BOXED.sub(lambda m: boxed.format(m[1].strip()), text)
        if text == before:
            break
    return text.replace("❴", "{").replace("❵", "}")


def _undollared(match: re.Match[str]) -> str:
    inside: str = match[1] if match[1] is not None else match[2]
    if not _MATHS_SIGN.search(inside):
        return match[0]  # money, or a shell variable
    return _SCRIPT.sub(_script, inside) if "\\" not in inside else inside


def _symbol(match: re.Match[str]) -> str:
    name: str = match[1]
    return _COMMANDS.get(name, name if name in _NAMES else match[0])


def _script(match: re.Match[str]) -> str:
    body: str = match[2] if match[2] is not None else match[3]
    known, table = (_RAISED, _SUPER) if match[1] == "^" else (_LOWERED, _SUB)
    if body and known.issuperset(body):
        return body.translate(table)
    if match[2] is None or "\\" in body:
        return match[0]
    return f"{match[1]}({body})" if len(body) > 1 else match[1] + body


def _root(match: re.Match[str]) -> str:
    sign = {None: "√", "2": "√", "3": "∛", "4": "∜"}.get(match[1], f"{match[1]}-th root of ")
    return sign + _grouped(match[2])


def _grouped(text: str) -> str:
    text = text.strip()
    return text if re.fullmatch(r"[\w.′²³]*", text) else f"({text})"
