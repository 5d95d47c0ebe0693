"""Strategies by name: with parameters, at `module:name`, and what is said where there is none."""

import pytest

from weaver_sdk import BestOf, ConfigurationError, Voting
from weaver_sdk.strategies.attempts import attempt
from weaver_sdk.strategies.names import OURS, known_names, named_strategy, strategy_at


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_names_stands_for_a_strategy_of_that_name(name: str) -> None:
    assert getattr(named_strategy(name), "name", "").startswith(name)


def test_parameters_stand_behind_a_colon() -> None:
    assert named_strategy("voting:n=7") == Voting(n=7)
    assert named_strategy("best_of:n=3") == BestOf(n=3)


def test_ours_are_known_first() -> None:
    assert known_names()[: len(OURS)] == list(OURS)


def test_what_stands_at_a_module_is_made_where_it_is_a_class() -> None:
    assert named_strategy("weaver_sdk.strategies.voting:Voting") == Voting()
    assert strategy_at("weaver_sdk.strategies.attempts:attempt") is attempt


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("votes", "unknown strategy 'votes'.*voting"),
        ("voting:count=3", "voting:count=3"),
        ("voting:7", "name=value"),
        ("voting:n=0", "n=0"),
        ("no_such_module:Voting", "no_such_module"),
        ("weaver_sdk.strategies.voting:Votes", "Votes"),
    ],
)
def test_a_name_that_cannot_be_used_says_so_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        named_strategy(text)
    assert "\n" not in str(caught.value)
