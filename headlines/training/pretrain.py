"""Learns vectors from the texts of a corpus, labels apart, for models to start from.

They are of words and, for presets that read them, of pairs of characters. Those of words serve the
words of titles and those of contents alike.

It is a stage of its own: training again, or another preset, does not pay for it once more.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.corpus.dataset import read_corpus
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact, publish
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES
from lstm_model.inputs import InputName, char_bigrams
from lstm_model.presets import Preset

if TYPE_CHECKING:
    from lstm_model.word_vectors import WordVectors

_VOCABULARY, _VECTORS = "vocabulary.json", "vectors.safetensors"


def pretrain(catalog: Catalog, corpus: Artifact, preset: Preset) -> list[Artifact]:
    """The vectors that a preset starts from, of each view that it reads; none if of nothing."""
    if not preset.pretrained:
        return []
    return [pretrain_view(catalog, corpus, preset, view) for view in preset.input_names]


def pretrain_view(catalog: Catalog, corpus: Artifact, preset: Preset, view: InputName) -> Artifact:
    """Learn the vectors of a view that a preset starts from, or reuse those that are there.

    The texts are titles and contents of the training rows. Held-out rows have no part in it, nor
    have those whose title is held out too, unless the preset trains on them.
    """
    segmenter = Segmenter.from_environment()
    [text_input] = [one for one in preset.inputs if one.name == view]
    rules, min_count, size = text_input.rules, text_input.min_count, text_input.embedding_size
    of = "pairs" if view == "pairs" else "words"
    recipe = Recipe(
        "pretrained",
        STAGES["pretrained"].version,
        (corpus.as_source(catalog),),
        {
            "view": of,
            "segmenter": segmenter.fingerprint(),
            "rules": rules,
            "min_count": min_count,
            "size": size,
            "seed": preset.seed,
            "keep_leaked_titles": preset.keep_leaked_titles,
        },
    )

    def write_vectors(draft: Path) -> dict[str, Any]:
        import safetensors.numpy

        from lstm_model.word_vectors import learn_vectors

        texts = _texts(corpus, keep_leaked=preset.keep_leaked_titles)
        cut = segmenter.cut(texts)
        if of == "pairs":
            cut = char_bigrams(cut)
        learnt = learn_vectors(cut, rules, min_count, size, preset.seed)
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


def read_vectors(pretrained: Sequence[Artifact]) -> "list[WordVectors] | None":
    """The words and vectors of what `pretrain` gave; None if that is nothing."""
    import safetensors.numpy

    from lstm_model.vocabulary import Vocabulary
    from lstm_model.word_vectors import WordVectors

    return [
        WordVectors(
            Vocabulary.load(one.directory / _VOCABULARY),
            safetensors.numpy.load_file(one.directory / _VECTORS)["vectors"],
        )
        for one in pretrained
    ] or None


def _texts(corpus: Artifact, *, keep_leaked: bool) -> list[str]:
    rows = read_corpus(corpus, ["split", "title", "content", "leaked"])
    rows = rows[rows["split"] == "train"]
    if not keep_leaked:
        rows = rows[~rows["leaked"]]
    return [text for text in (*rows["title"], *rows["content"].dropna()) if text]
