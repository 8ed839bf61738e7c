"""Reading configurations."""

from pathlib import Path

import pytest

from cleanplate.training.config import ConfigError, load_config

BATCHES = "[batches]\nsizes = [[64, 32]]\nsize_weights = [1]\nsequences = 1"
CONFIGS = Path(__file__).parents[2] / "models" / "cleanplate" / "training" / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_configs_are_valid(path: Path) -> None:
    assert load_config(path).steps > 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("steps = ", "not valid TOML"),
        ("stops = 3\n" + BATCHES, "unknown key stops"),
        ("[scenes]\nposter = 1", "unknown key poster"),
        ("seed = 1\n" + BATCHES, "missing"),
        ('steps = "many"\n' + BATCHES, "steps is 'many': it must be of type int"),
        (BATCHES.replace("64, 32", "50, 30"), "multiples of 16"),
        ('kind = "background-cut"\n' + BATCHES, "several is 0.2: with attenuation"),
        ("batches = 3", "batches is 3: it must be a table"),
        ("scenes = 3\n" + BATCHES, "scenes is 3: it must be a table"),
        ("network = 3\n" + BATCHES, "network is 3: it must be a table"),
        (BATCHES.replace("[[64, 32]]", "[64, 32]"), r"sizes is \[64, 32\]: it must be like \[\[WIDTH"),
        (BATCHES.replace("[[64, 32]]", "[[64.5, 32]]"), "it must be like"),
        (BATCHES.replace("[1]", '["all"]'), "size_weights is .* must be numbers"),
        (BATCHES.replace("[1]", "1"), "size_weights is 1: it must be numbers"),
        ('kind = "background-cut"\n' + BATCHES.replace("64, 32", "50, 30"), "multiples of 8"),
        ('kind = "unet"\n' + BATCHES.replace("64, 32", "50, 30"), "multiples of 16"),
        ('kind = "funet"\n' + BATCHES.replace("64, 32", "50, 30"), "multiples of 16"),
        ('kind = "context-motion"\n' + BATCHES.replace("64, 32", "50, 30"), "multiples of 16"),
        (BATCHES.replace("[1]", "[0.7]"), "together 1"),
        (BATCHES.replace("[1]", "[0.5, 0.5]"), "one for each of sizes"),
    ],
)
def test_mistakes_are_named(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=complaint):
        load_config(path)


def test_base_gives_what_the_file_has_not(tmp_path: Path) -> None:
    text = "seed = 1\nsteps = 5\nlearning_rate = 1\nlast_learning_rate = 0\n" + BATCHES
    (tmp_path / "whole.toml").write_text(text, encoding="utf-8")
    part = tmp_path / "part.toml"
    part.write_text('base = "whole.toml"\nsteps = 7', encoding="utf-8")
    config = load_config(part)
    assert (config.seed, config.steps) == (1, 7)
    assert config.batches.sizes == ((64, 32),)


def test_several_samples_are_for_what_does_not_average_them(tmp_path: Path) -> None:
    text = "seed = 1\nsteps = 5\nlearning_rate = 1\nlast_learning_rate = 0\nkind = 'background-cut'\n"
    path = tmp_path / "x.toml"
    path.write_text(f"{text}{BATCHES}\nseveral = 0.0", encoding="utf-8")
    assert load_config(path).batches.several == 0
    path.write_text(f"{text}{BATCHES}\n[network]\nattenuates = false", encoding="utf-8")
    assert load_config(path).batches.several > 0


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name an existing configuration"):
        load_config(tmp_path / "none.toml")
