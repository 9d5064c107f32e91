"""Pages are self-contained, load nothing, and format numbers."""

import base64
import hashlib
import re

import pytest

from headlines.reports.messages import ENGLISH
from headlines.reports.rendering import interval, percent, render_page, score, signed


def test_a_page_may_run_only_its_own_script() -> None:
    card = {"preset": {"name": "p"}}
    with pytest.raises(Exception, match="undefined"):
        render_page("training.html", ENGLISH, kind="k", title="t", verdict="v", card=card)
    page = render_page("base.html", ENGLISH, kind="k", title="<b>", verdict="a & b")
    assert "<title>&lt;b&gt;</title>" in page
    assert "a &amp; b" in page
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    [script] = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in policy
    assert policy.startswith("default-src &#39;none&#39;;")
    assert "unsafe-inline" not in policy.split("script-src")[1]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (score(0.67385), "0.674"),
        (score(None), "–"),
        (signed(-0.0294), "−0.029"),
        (signed(0.1), "+0.100"),
        (signed(-0.00001), "+0.000"),
        (interval([0.64, 0.717], 2), "0.64–0.72"),
        (interval([-0.065, 0.009]), "−0.065 to +0.009"),
        (interval([None, None]), "–"),
        (interval(None), "–"),
        (percent(0.08165), "8.2 %"),
        (percent(None), "–"),
    ],
)
def test_number_formats(shown: str, expected: str) -> None:
    assert shown == expected
