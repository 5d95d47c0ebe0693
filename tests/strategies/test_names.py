"""Strategies by name: ours, other people's, and their parameters."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.strategies.best_of import BestOf
from weaver_sdk.strategies.names import OURS, known_names, named_strategy, strategy_at
from weaver_sdk.strategies.plan_and_solve import PlanAndSolve
from weaver_sdk.strategies.strategy import program_of
from weaver_sdk.strategies.voting import Voting

THEIRS = '''
from dataclasses import dataclass
from weaver_sdk.errors import ConfigurationError


@dataclass(frozen=True)
class Widths:
    widths: tuple[int, ...] = (4, 2)
    word: str = "x"
    name = "widths"

    async def run(self, scope):
        scope.write("wide")


@dataclass(frozen=True)
class Strict:
    """Refuses, and has no name of its own."""

    async def run(self, scope):
        scope.write("strict")

    def __post_init__(self):
        raise ConfigurationError("never")


async def function(scope):
    scope.write("done")


class Typed:
    name = "typed"

    def __init__(self, n):
        raise TypeError("n is no n")

number = 3
'''


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package, installed, that publishes strategies."""
    (tmp_path / "their_package.py").write_text(THEIRS)
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[weaver.strategies]\nwidths = their_package:Widths\nfunction = their_package:function\n"
        "gone = their_package:Gone\nnumber = their_package:number\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "their_package", raising=False)


@pytest.mark.parametrize("name", OURS)
def test_each_of_ours_can_be_named(name: str) -> None:
    assert program_of(named_strategy(name)).name == name


@pytest.mark.parametrize(
    ("text", "strategy"),
    [
        ("voting", Voting()),
        ("voting:n=7", Voting(n=7)),
        ("voting:", Voting()),
        ("voting: n = 7 ", Voting(n=7)),
        ("best_of:n=2,model=small", BestOf(n=2, model="small")),
        ("plan_and_solve:max_steps=3", PlanAndSolve(max_steps=3)),
    ],
)
def test_parameters_follow_a_colon(text: str, strategy: object) -> None:
    assert named_strategy(text) == strategy


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("votng", r"unknown strategy 'votng': use one of auto, native, .*voting.*"),
        ("", r"unknown strategy ''"),
        ("voting:m=7", r"strategy 'voting:m=7': .*'m'"),
        ("voting:7", r"parameters '7': write name=value, as in voting:n=7"),
        ("voting:n=0", r"n=0: use a whole number, 1 or more"),
        ("voting:n=seven", r"n='seven': use a whole number"),
        ("voting:n=1,2", r"n=\(1, 2\): use a whole number"),
        ("voting:n=2.5", r"n=2.5: use a whole number"),
        ("voting:n=true", r"n=True: use a whole number"),
        ("voting:n=", r"n='': use a whole number"),
        ("voting:n=1,n=2", r"n is given twice"),
        ("planned:max_parts=x", r"max_parts='x': use a whole number"),
    ],
)
def test_a_wrong_name_or_parameter_is_told_clearly(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        named_strategy(text)


@pytest.mark.usefixtures("theirs")
def test_other_packages_publish_strategies() -> None:
    widths = named_strategy("widths:widths=8,4,word=wide")
    assert vars(widths) == {"widths": (8, 4), "word": "wide"}
    assert program_of(widths).name == "widths"
    assert program_of(named_strategy("function")).name == "function"
    assert known_names() == [*OURS, "function", "gone", "number", "widths"]


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("function:n=3", "strategy 'function:n=3': it takes no parameters"),
        ("gone", "strategy 'gone' of another package: .*Gone"),
        ("nobody", "use one of auto, .*function.*widths"),
    ],
)
def test_what_is_wrong_with_a_published_one_is_told_too(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        named_strategy(text)


@pytest.mark.usefixtures("theirs")
def test_a_strategy_that_is_not_published_has_a_path() -> None:
    assert program_of(strategy_at("their_package:function")).name == "function"
    assert vars(strategy_at("their_package:Widths")) == {"widths": (4, 2), "word": "x"}
    assert program_of(named_strategy("their_package:function")).name == "function"


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("their_package:nothing", "no strategy at 'their_package:nothing'"),
        ("no_package:at_all", "no strategy at 'no_package:at_all'"),
        ("their_package", "no strategy at 'their_package'"),
        (":x", "no strategy at ':x'"),
        ("their_package:Typed", "strategy 'their_package:Typed'"),
        ("their_package:Strict", "never"),
    ],
)
def test_a_path_that_leads_nowhere_is_told(path: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        strategy_at(path)


@pytest.mark.parametrize("no_strategy", [3, None, object(), "x".upper()])
def test_what_is_no_strategy_is_refused(no_strategy: object) -> None:
    with pytest.raises(ConfigurationError, match="is no strategy: give a name, an object with `name`"):
        program_of(no_strategy)  # type: ignore[arg-type]


def test_a_strategy_without_a_name_goes_by_its_class() -> None:
    @dataclass(frozen=True)
    class Own:
        name: str = ""

        async def run(self, scope: object) -> None: ...

    assert program_of(Own()).name == "Own"
