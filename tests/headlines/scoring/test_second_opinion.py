"""Which model a review compares the predictions with."""

from headlines.models import champion
from headlines.scoring.second_opinion import second_opinion
from headlines.storage.data_root import DataRoot
from tests.factories import publish_model, random_bundle, small_preset

TITLES = ["北京股市大涨", "公司 地震伤亡"]


def test_the_latest_other_champion_is_asked(root: DataRoot) -> None:
    for number, version in enumerate(("oldest", "older", "current")):
        publish_model(root, version, seed=number)
        champion.promote(root, version, "by a test")
    opinion = second_opinion(root, {"current"})
    assert opinion is not None
    assert opinion.model.path == "models/older"
    assert opinion.label(TITLES).shape == (2,)
    earlier = second_opinion(root, {"current", "older"})
    assert earlier is not None
    assert earlier.model.path == "models/oldest"
    assert second_opinion(root, {"current", "older", "oldest"}) is None


def test_a_model_that_cannot_be_asked_is_passed_over(root: DataRoot) -> None:
    publish_model(root, "usable")
    reads_articles = random_bundle(small_preset("title-and-content"))
    publish_model(root, "articles", bundle=reads_articles)
    publish_model(root, "segmented", seed=2)
    for version in ("usable", "articles", "segmented"):
        champion.promote(root, version, "by a test")
    root.store.remove(root.model("segmented"))
    opinion = second_opinion(root, set())
    assert opinion is not None
    assert opinion.model.path == "models/usable"
