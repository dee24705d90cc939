import re
import sys
from pathlib import Path

import pytest

from energy_route_env import SCENARIOS

ROOT = Path(__file__).parents[1]
PAGES = {page.name: page.read_text() for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
README = PAGES["README.md"]
EXAMPLES = [
    (name, code) for name, text in PAGES.items() for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
]


@pytest.mark.parametrize(
    ("page", "example"), EXAMPLES, ids=[f"{page}-{code.splitlines()[-1]}" for page, code in EXAMPLES]
)
def test_every_example_runs_by_itself(page: str, example: str) -> None:
    exec(compile(example, page, "exec"), {"__name__": page})


def test_the_first_example_needs_nothing_but_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("agents", "eval", "train"):
        monkeypatch.setitem(sys.modules, name, None)
    page, example = EXAMPLES[0]
    assert page == "README.md"
    exec(compile(example, page, "exec"), {"__name__": page})


def test_the_table_of_scenarios_is_the_one_in_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", README, flags=re.MULTILINE)
    assert rows == [(name, scenario.summary) for name, scenario in SCENARIOS.items()]


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_somewhere(page: str) -> None:
    folder = ROOT if page == "README.md" else ROOT / "docs"
    links = re.findall(r"\]\((?!http)([^)#\s]+)\)", PAGES[page])
    assert links or page != "README.md"
    assert [link for link in links if not (folder / link).exists()] == []
