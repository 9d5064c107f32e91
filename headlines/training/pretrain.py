"""Learns word vectors from the texts of a corpus, without labels, as initial embeddings of models.

Presets that read character bigrams get vectors of these too. As a stage of its own, it is not
repeated for another training or preset.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.corpus.dataset import read_corpus
from headlines.readers.titles import half_width
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES
from lstm_model.inputs import InputName, TokenLists, char_bigrams
from lstm_model.presets import Preset

if TYPE_CHECKING:
    from lstm_model.word_vectors import WordVectors

_VOCABULARY, _VECTORS = "vocabulary.json", "vectors.safetensors"


def pretrain(root: DataRoot, corpus: Artifact, preset: Preset) -> list[Artifact]:
    """The vectors for each input of a preset; none if it does not use pretrained vectors."""
    if not preset.pretrained:
        return []
    return [pretrain_view(root, corpus, preset, view) for view in preset.input_names]


def pretrain_view(root: DataRoot, corpus: Artifact, preset: Preset, view: InputName) -> Artifact:
    """Learn the vectors for one input of a preset, or reuse existing ones.

    The texts are the titles and articles of the training rows, without rows whose title is also
    held out unless the preset trains on them.
    """
    segmenter = Segmenter.from_settings(root.settings)
    [text_input] = [text_input for text_input in preset.inputs if text_input.name == view]
    rules, min_count, size = text_input.rules, text_input.min_count, text_input.embedding_size
    kind = "pairs" if view == "pairs" else "words"
    recipe = Recipe(
        "pretrained",
        STAGES["pretrained"].version,
        (corpus.as_source(),),
        {
            "view": kind,
            "segmenter": segmenter.fingerprint(),
            "rules": preset.rules,
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
        token_lists: TokenLists
        if kind == "pairs":
            # They do not depend on where words end.
            token_lists = char_bigrams([[half_width(text)] for text in texts], preset.rules)
        else:
            token_lists = segmenter.cut(map(half_width, texts))
        vectors = learn_vectors(token_lists, rules, min_count, size, preset.seed)
        vectors.vocabulary.save(draft / _VOCABULARY)
        # Not `save_file`, which raises no OSError on a full disk.
        content = safetensors.numpy.save({"vectors": vectors.vectors})
        (draft / _VECTORS).write_bytes(content)
        return {
            "texts": len(texts),
            "tokens": sum(map(len, token_lists)),
            "vocabulary": len(vectors.vocabulary),
        }

    return root.store.publish(root.pretrained(recipe.key), recipe, write_vectors)


def read_vectors(pretrained: Sequence[Artifact]) -> "list[WordVectors] | None":
    """Read the result of `pretrain`; None if it is empty."""
    import safetensors.numpy

    from lstm_model.vocabulary import Vocabulary
    from lstm_model.word_vectors import WordVectors

    return [
        WordVectors(
            Vocabulary.load(artifact.directory / _VOCABULARY),
            safetensors.numpy.load_file(artifact.directory / _VECTORS)["vectors"],
        )
        for artifact in pretrained
    ] or None


def _texts(corpus: Artifact, *, keep_leaked: bool) -> list[str]:
    rows = read_corpus(corpus, ["split", "title", "content", "leaked"])
    rows = rows[rows["split"] == "train"]
    if not keep_leaked:
        rows = rows[~rows["leaked"]]
    return [text for text in (*rows["title"], *rows["content"].dropna()) if text]
