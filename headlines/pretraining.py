"""Learns vectors of words from the texts of a corpus, labels apart, for models to start from.

It is a stage of its own: training again, or another preset, does not pay for it once more.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.artifact import Artifact, publish
from headlines.catalog import Catalog
from headlines.corpus import read_corpus
from headlines.manifest import Recipe
from headlines.segmentation import Segmenter
from headlines.stages import STAGES
from lstm_model.presets import Preset

if TYPE_CHECKING:
    from lstm_model.word_vectors import WordVectors

_VOCABULARY, _VECTORS = "vocabulary.json", "vectors.safetensors"


def pretrain(catalog: Catalog, corpus: Artifact, preset: Preset) -> Artifact:
    """Learn the vectors that a preset starts from, or reuse those that are there.

    The texts are titles and contents of the training rows. Held-out rows have no part in it, nor
    have those whose title is held out too, unless the preset trains on them.
    """
    segmenter = Segmenter.from_environment()
    recipe = Recipe(
        "pretrained",
        STAGES["pretrained"].version,
        (corpus.as_source(catalog),),
        {
            "segmenter": segmenter.fingerprint(),
            "rules": preset.rules,
            "min_count": preset.min_count,
            "size": preset.embedding_size,
            "seed": preset.seed,
            "keep_leaked_titles": preset.keep_leaked_titles,
        },
    )

    def write_vectors(draft: Path) -> dict[str, Any]:
        import safetensors.numpy

        from lstm_model.word_vectors import learn_vectors

        texts = _texts(corpus, keep_leaked=preset.keep_leaked_titles)
        cut = segmenter.cut(texts)
        learnt = learn_vectors(
            cut, preset.rules, preset.min_count, preset.embedding_size, preset.seed
        )
        learnt.vocabulary.save(draft / _VOCABULARY)
        # Not `save_file`: on a full disk that raises no OSError.
        content = safetensors.numpy.save({"vectors": learnt.vectors})
        (draft / _VECTORS).write_bytes(content)
        return {
            "texts": len(texts),
            "tokens": sum(map(len, cut)),
            "vocabulary": len(learnt.vocabulary),
        }

    return publish(catalog, catalog.pretrained(recipe.key), recipe, write_vectors)


def read_vectors(pretrained: Artifact) -> "WordVectors":
    """The words and vectors of an artifact that `pretrain` gave."""
    import safetensors.numpy

    from lstm_model.vocabulary import Vocabulary
    from lstm_model.word_vectors import WordVectors

    return WordVectors(
        Vocabulary.load(pretrained.directory / _VOCABULARY),
        safetensors.numpy.load_file(pretrained.directory / _VECTORS)["vectors"],
    )


def _texts(corpus: Artifact, *, keep_leaked: bool) -> list[str]:
    rows = read_corpus(corpus, ["split", "title", "content", "leaked"])
    rows = rows[rows["split"] == "train"]
    if not keep_leaked:
        rows = rows[~rows["leaked"]]
    return [text for text in (*rows["title"], *rows["content"].dropna()) if text]
