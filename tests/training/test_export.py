"""Real engines read an exported model, and it writes in them what it writes in torch."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from training import vocabulary  # noqa: E402
from training.cli import app  # noqa: E402
from training.decode import greedy  # noqa: E402
from training.export_gguf import export_gguf  # noqa: E402
from training.export_huggingface import export_huggingface  # noqa: E402
from training.model import Llama, Shape  # noqa: E402
from training.read_gguf import read_gguf  # noqa: E402
from training.vocabulary import encode, prompt  # noqa: E402
from weaver_sdk.engines.llama import LlamaServer  # noqa: E402

pytestmark = pytest.mark.train

TEXTS = (
    prompt("Compute 47*86 + 93×12"),
    "<think>\n<Parallel>\n<Outlines>\n<Outline>1: a</Outline>\n</Outlines>\n<Thread>\n1: x\n</Thread>",
    "héllo  ×\n\n\n it's 12,345   <Threads> \\boxed{x} \t",
    " ",
    "日本",
)


@pytest.fixture(scope="module")
def model() -> Llama:
    """Untrained, but with weights so large that its choices are clear."""
    torch.manual_seed(3)
    model = Llama(Shape(hidden=64, layers=2, heads=2, inner=96))
    for weight in model.parameters():
        if weight.ndim == 2:
            torch.nn.init.normal_(weight, std=0.15)
    model.half().float()  # the GGUF holds 16 bits: so let both have the same numbers
    return model.eval()


@pytest.fixture(scope="module")
def server(model: Llama, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    export_gguf(model, path, "test")
    with LlamaServer(path, slots=1) as server:
        yield server


def asked(server: LlamaServer, where: str, **fields: object) -> Any:
    body = json.dumps(fields).encode()
    request = urllib.request.Request(server.url + where, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


@pytest.mark.parametrize("text", TEXTS)
def test_llama_cpp_cuts_text_into_the_tokens_of_training_and_adds_none(
    server: LlamaServer, text: str
) -> None:
    tokens = asked(server, "/tokenize", content=text, add_special=True, parse_special=True)["tokens"]
    assert tokens == encode(text)


def test_the_servers_own_template_makes_the_prompt_of_training(server: LlamaServer) -> None:
    question = "Compute 1*2 + 3*4"
    content = f"{question}\n{vocabulary.INSTRUCTION}"
    made = asked(server, "/apply-template", messages=[{"role": "user", "content": content}])["prompt"]
    assert made == prompt(question)


def test_llama_cpp_goes_on_like_torch(server: LlamaServer, model: Llama) -> None:
    text = prompt("Compute 47*86 + 93*12")
    (ours,) = greedy(model, [encode(text)], frozenset(), 24)
    theirs = asked(server, "/completion", prompt=text, n_predict=24, temperature=0, return_tokens=True)
    assert theirs["tokens"] == ours


def test_tags_are_printed_and_a_stop_string_fires_on_one(server: LlamaServer) -> None:
    """A server that hides the tags would never stop at one: so one tag is forced and asked for."""
    tag = encode("</Outlines>")[0]
    fields = {"prompt": "a", "max_tokens": 5, "temperature": 0, "logit_bias": [[tag, 1000.0]]}
    shown = asked(server, "/v1/completions", **fields)["choices"][0]
    assert shown["text"] == "</Outlines>" * 5
    stopped = asked(server, "/v1/completions", stop=["</Outlines>"], **fields)["choices"][0]
    assert (stopped["text"], stopped["finish_reason"]) == ("", "stop")


def test_transformers_computes_the_same_scores_and_tokens(model: Llama, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    export_huggingface(model, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert tokenizer(text)["input_ids"] == encode(text)
        assert tokenizer.decode(encode(text)) == text
    tokens = torch.tensor([encode(TEXTS[0])])
    with torch.no_grad():
        ours = model.logits(model(tokens, torch.arange(tokens.shape[1])[None], None))
        # rotary angles are 32-bit there and 64-bit here, and these weights are large
        assert torch.allclose(theirs(tokens).logits, ours, atol=5e-3)


def test_the_tags_are_special_tokens_for_transformers(model: Llama, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    export_huggingface(model, tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.decode(encode("<Thread>1</Thread>"), skip_special_tokens=True) == "1"
    turn = [{"role": "user", "content": f"2*3\n{vocabulary.INSTRUCTION}"}]
    made = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    assert made == prompt("2*3")


def test_a_model_that_is_read_back_from_its_gguf_is_the_same_model(model: Llama, tmp_path: Path) -> None:
    export_gguf(model, tmp_path / "once.gguf", "test")
    again = read_gguf(tmp_path / "once.gguf")
    export_gguf(again, tmp_path / "twice.gguf", "test")
    assert (tmp_path / "once.gguf").read_bytes() == (tmp_path / "twice.gguf").read_bytes()
    assert again.shape == model.shape
    weights = again.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in model.state_dict().items())


def test_the_packaged_weights_become_a_folder_that_transformers_solves_a_problem_with(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    done = CliRunner().invoke(app, ["export", "--packaged", "--huggingface", str(tmp_path)])
    assert done.exit_code == 0, done.output
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    tokens = tokenizer(prompt("Compute 47*86 + 93*12"), return_tensors="pt")
    written = model.generate(**tokens, max_new_tokens=400, do_sample=False)
    assert "\\boxed{5158}" in tokenizer.decode(written[0], skip_special_tokens=False)
