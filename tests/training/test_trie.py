"""The trie trains every unit exactly as if it stood alone."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from training import vocabulary  # noqa: E402
from training.batches import collate, problem_units  # noqa: E402
from training.model import Llama, Shape  # noqa: E402
from training.sft import edge_losses  # noqa: E402
from training.tasks import Products, SumsOfProducts, problems  # noqa: E402
from training.trie import TooLong, ancestor_mask, build  # noqa: E402
from training.units import Unit  # noqa: E402

pytestmark = pytest.mark.train

few_units = st.lists(
    st.builds(Unit, st.text("ab", min_size=1, max_size=6), st.text("ab", min_size=1, max_size=6)),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def model() -> Llama:
    torch.manual_seed(0)
    model = Llama(Shape(hidden=32, layers=2, heads=2, inner=48))
    for weight in model.parameters():  # larger weights than at the start of training: a mistake must show
        torch.nn.init.normal_(weight, std=0.4 if weight.ndim == 2 else 1.0)
    return model


def losses_alone(model: Llama, unit: Unit) -> list[float]:
    """The loss of each completion token when nothing but this unit is in the sequence."""
    context, completion = vocabulary.encode(unit.context), vocabulary.encode(unit.completion)
    tokens = torch.tensor([context + completion])
    with torch.no_grad():
        scores = model.logits(model(tokens, torch.arange(tokens.shape[1])[None], None))[0]
    predicted = scores[len(context) - 1 : -1].log_softmax(-1)
    return (-predicted[torch.arange(len(completion)), torch.tensor(completion)]).tolist()


@pytest.mark.parametrize("task", [SumsOfProducts(), Products()], ids=["sums", "products"])
def test_every_token_of_every_unit_has_the_loss_that_it_has_alone(
    model: Llama, task: SumsOfProducts | Products
) -> None:
    for problem in itertools.islice(problems(task, 3), 3):
        units = problem_units(problem, "parallel")
        trie = build(units)
        with torch.no_grad():
            losses = edge_losses(model, collate([trie])).tolist()
        learned = [i for i, is_learned in enumerate(trie.learned) if is_learned]
        in_trie = dict(zip(learned, losses, strict=True))
        covered = set()
        for unit in units:
            path = path_of(trie, unit)
            alone = losses_alone(model, unit)
            ours = [in_trie[node] for node in path[-len(alone) :]]
            assert ours == pytest.approx(alone, abs=1e-4)
            covered |= set(path[-len(alone) :])
        assert covered == set(learned), "a token is learned that no completion holds"


def path_of(trie: object, unit: Unit) -> list[int]:
    """The nodes of a unit, walked from the root by token."""
    children: dict[tuple[int, int], int] = {
        (parent, token): node
        for node, (parent, token) in enumerate(zip(trie.parents, trie.tokens, strict=True))  # type: ignore[attr-defined]
    }
    path = [-1]
    for token in vocabulary.encode(unit.context + unit.completion):
        path.append(children[path[-1], token])
    return path[1:]


@given(few_units)
@settings(deadline=None)
def test_the_mask_shows_a_token_its_ancestors_and_nothing_else(units: list[Unit]) -> None:
    trie = build(units)
    mask = ancestor_mask(torch.tensor([trie.ends]))[0, 0]
    for node in range(len(trie)):
        ancestors, at = set(), node
        while at >= 0:
            ancestors.add(at)
            at = trie.parents[at]
        assert set(mask[node].nonzero().flatten().tolist()) == ancestors


@given(few_units)
@settings(deadline=None)
def test_no_unit_is_lost_and_positions_are_depths(units: list[Unit]) -> None:
    trie = build(units)
    for unit in units:
        path = path_of(trie, unit)
        assert [trie.positions[node] for node in path] == list(range(len(path)))
        completion = path[len(vocabulary.encode(unit.context)) :]
        assert all(trie.learned[node] for node in completion)


def test_siblings_share_their_prefix_and_each_is_predicted_from_it() -> None:
    trie = build([Unit("ab", "c"), Unit("ab", "d")])
    assert [chr(token) for token in trie.tokens] == ["a", "b", "c", "d"]
    assert trie.parents == [-1, 0, 1, 1]
    assert trie.learned == [False, False, True, True]


def test_a_trie_that_does_not_fit_is_refused_and_not_cut() -> None:
    with pytest.raises(TooLong, match="5 tokens in the trie, 4 allowed"):
        build([Unit("ab", "cde")], max_tokens=4)


def test_tries_of_a_batch_do_not_disturb_one_another(model: Llama) -> None:
    tries = [build(problem_units(p, "parallel")) for p in itertools.islice(problems(SumsOfProducts(), 4), 3)]
    with torch.no_grad():
        together = edge_losses(model, collate(tries))
        apart = torch.cat([edge_losses(model, collate([trie])) for trie in tries])
    assert torch.allclose(together, apart, atol=1e-4)
