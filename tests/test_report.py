"""The report says what the summary says, in a page that needs nothing but itself."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eval.benchmark import BenchmarkArgs, main as benchmark
from eval.columns import merged
from eval.pictures import PICTURES
from eval.report import ReportArgs, _code, main, write_report
from eval.summary import verdicts

THEORY = ["drift_j", "volatility_j", "brownian_j", "brownian_deviation_se", "exact_j", "exact_deviation_se"]
SCALES = {"TJ": 1e12, "GJ": 1e9, "MJ": 1e6, "kJ": 1e3, "J": 1.0}


class Page(HTMLParser):
    """Attributes of all elements, the text of the page, and each table as rows of cells."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.open: list[str] = []
        self.text = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)
        if tag == "table":
            self.rows = self.tables.setdefault(str(dict(attrs)["aria-label"]), [])
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        elif "style" not in self.open:
            self.text += data


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    names = ("oracle", "error-0.05", "variance-aware")
    scenarios = ("paper", "uncertain", "solar")
    common = {"episodes": 20, "name": "small", "results": folder}
    benchmark(BenchmarkArgs(scenarios=scenarios, ratios=(0.9, 1.0), dispatchers=names, **common))
    return folder / "small"


@pytest.fixture
def copy(results: Path, tmp_path: Path) -> Path:
    for name in ("summary.csv", "run.json"):
        (tmp_path / name).write_bytes((results / name).read_bytes())
    return tmp_path


@pytest.fixture
def figures(results: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "figures"
    folder.mkdir()
    for name in ("costs", "dispatchers"):
        (folder / f"{name}.svg").write_text(f"<svg xmlns='http://www.w3.org/2000/svg'><title>{name}</title></svg>")
    (folder / "run.json").write_text((results / "run.json").read_text())
    return folder


def test_the_page_loads_nothing_from_elsewhere(copy: Path, figures: Path) -> None:
    path = write_report(copy, figures)
    page = Page(path)
    assert not page.open  # every element is closed
    for tag, attributes in page.elements:
        assert tag not in ("script", "link", "iframe", "object", "base")
        for name in ("src", "href", "srcset", "style", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/svg+xml;base64,"))
    style = re.search("<style>(.*)</style>", path.read_text(), re.DOTALL)
    assert style and "url(" not in style[1] and "@import" not in style[1]


def test_every_picture_has_alternative_text_and_is_the_saved_one(copy: Path, figures: Path) -> None:
    images = [attributes for tag, attributes in Page(write_report(copy, figures)).elements if tag == "img"]
    assert [image["alt"] for image in images] == [PICTURES[name].alt for name in ("dispatchers", "costs")]
    inside = [base64.b64decode(str(image["src"]).partition(",")[2]) for image in images]
    assert inside[1] == (figures / "costs.svg").read_bytes()
    assert inside[0] != (figures / "dispatchers.svg").read_bytes()  # drawn from this summary, not from another


def test_every_scenario_has_its_sentence_and_its_tables(copy: Path) -> None:
    page = Page(write_report(copy))
    summary = pd.read_csv(copy / "summary.csv")
    for sentence in verdicts(summary):
        assert sentence in page.text
    wanted = [
        f"{s}, ratio {r:g}: 20 episodes of {t} slots"
        for s, t in (("paper", 1000), ("uncertain", 200), ("solar", 288))
        for r in (0.9, 1.0)
    ]
    assert list(page.tables) == wanted


def test_the_numbers_shown_are_the_summarys(copy: Path) -> None:
    page, summary = Page(write_report(copy)), pd.read_csv(copy / "summary.csv")
    groups = summary.groupby(["scenario", "ratio"], sort=False)
    for (head, *rows), (_, every) in zip(page.tables.values(), groups, strict=True):
        group = merged(every)
        assert [row[0] for row in rows] == list(group["dispatcher"])
        unit = SCALES[head[1].removeprefix("auxiliary, ")]
        shown = np.array([[float(number) for number in row[1].split(" ± ")] for row in rows])
        expected = group[["cost", "cost_half_width"]].to_numpy() / unit
        np.testing.assert_allclose(shown, expected, atol=0.0051)
        assert rows[0][2] == ""
        differences = [float(row[2].split(" ± ")[0]) for row in rows[1:]]
        np.testing.assert_allclose(differences, group["difference"].iloc[1:] / unit, atol=0.0051)
        if (name := f"exact, {head[1][-2:]}") in head:
            exact = [float(row[head.index(name)] or "nan") for row in rows]
            np.testing.assert_allclose(exact, group["exact_j"] / unit, atol=0.0051)
        else:
            assert group["exact_j"].isna().all()


def test_the_best_rows_are_marked(copy: Path) -> None:
    marked = [tag for tag, attributes in Page(write_report(copy)).elements if attributes.get("class") == "best"]
    summary = pd.read_csv(copy / "summary.csv")
    shown = pd.concat([merged(rows) for _, rows in summary.groupby(["scenario", "ratio"])])
    best = shown["cost"] == shown.groupby(["scenario", "ratio"])["cost"].transform("min")
    assert marked == ["tr"] * best.sum()


def test_a_summary_without_any_theory_makes_a_report_too(copy: Path) -> None:
    summary = pd.read_csv(copy / "summary.csv")
    summary[THEORY] = np.nan
    summary.to_csv(copy / "summary.csv", index=False)
    page = Page(write_report(copy))
    assert page.text.count("no exact theory covers this scenario") == 3
    for rows in page.tables.values():
        assert not any("exact" in head or "drift" in head for head in rows[0])
        assert "nan" not in str(rows)


@pytest.mark.parametrize("change", ["only myopic", "nothing drawn"])
def test_a_summary_with_nothing_to_compare_makes_a_report_too(copy: Path, change: str) -> None:
    summary = pd.read_csv(copy / "summary.csv")
    if change == "only myopic":
        summary = summary[summary["dispatcher"] == "myopic"]
    else:
        summary[[name for name in summary if name.startswith(("cost", "difference"))]] = 0.0
    summary.to_csv(copy / "summary.csv", index=False)
    tables = Page(write_report(copy)).tables
    assert len(tables) == 6
    assert not any("minus myopic, %" in rows[0] for rows in tables.values())


def test_a_name_is_text_whatever_it_holds(copy: Path) -> None:
    text = (copy / "summary.csv").read_text().replace("variance-aware", "<b>&policy.safetensors")
    (copy / "summary.csv").write_text(text.replace("uncertain", "<i>'s"))
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(record | {"command": "echo <u>", "platform": "<s>"}))
    page = Page(write_report(copy))
    assert not {"b", "i", "u", "s"} & {tag for tag, _ in page.elements}
    assert all(any("<b>&policy.safetensors" in row[0] for row in rows) for rows in page.tables.values())
    assert "<i>'s, ratio 1: 20 episodes of 200 slots" in page.tables
    assert ("section", {"id": "scenario-<i>'s"}) in page.elements
    assert "echo <u>" in page.text and "on <s>" in page.text


def test_a_caption_is_text_with_code_between_backticks() -> None:
    assert _code("a < b, `x <y>` and `z`") == "a &lt; b, <code>x &lt;y&gt;</code> and <code>z</code>"


def test_the_page_says_how_to_run_it_again(copy: Path) -> None:
    text, record = Page(write_report(copy)).text, json.loads((copy / "run.json").read_text())
    assert record["command"] in text
    for fact in (record["python"], *(f"{name} {version}" for name, version in record["versions"].items())):
        assert fact in text
    assert str(record["git_commit"] or "unknown") in text


def test_the_same_tables_give_the_same_report_byte_for_byte(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write_report(copy).read_bytes()
    main(ReportArgs(copy))
    assert (copy / "report.html").read_bytes() == first
    assert "report.html" in capsys.readouterr().out


@pytest.mark.parametrize("missing", ["summary.csv", "run.json"])
def test_a_folder_without_its_tables_is_refused(copy: Path, missing: str) -> None:
    (copy / missing).unlink()
    with pytest.raises(ValueError, match=f"a folder of results with {missing}"):
        write_report(copy)


def test_a_folder_without_figures_is_refused(copy: Path, figures: Path) -> None:
    (figures / "costs.svg").unlink()
    with pytest.raises(ValueError, match="a folder with figures"):
        write_report(copy, figures)
    assert not (copy / "report.html").exists()
