"""Pools of measured outcomes: what is read, what is refused, what is drawn, and what a dispatcher may see of it."""

import copy
import gzip
import hashlib
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents import make_dispatcher
from energy_route_env import EnergyRouteEnv, Trace, make_scenario
from energy_route_env.checks import InputError, MissingExtra
from energy_route_env.pool.measured import Estimates, MeasuredPool
from energy_route_env.pool.outcomes import Rates, read_outcomes
from energy_route_env.pool.token_rates import token_rates
from energy_route_env.scenarios import measured_scenario, training_scenario
from eval.rollout import simulate

SHIPPED = "misguided_energy.csv"
SHARED = Path(__file__).parents[2] / "shared" / "data"
OUTCOMES = SHARED / "outcomes_energy" / "per_query_energy.csv.gz"
CONFIGURATIONS = SHARED / "mlenergy_v3" / "gpqa_configurations.csv"
RAW = SHARED / "reasoning_outcomes" / "misguided_energy.csv"
HEAD = "question,model,correct,joules,run,prompt_length,family,seconds"
ROWS = [
    "short,small,1,10,0,5,maths,1",
    "short,small,0,14,1,5,maths,2",
    "short,large,yes,100,0,5,maths,3",
    "long,small,false,20,0,50,code,4",
    "long,large,TRUE,200,0,50,code,5",
    "middle,small,0,30,0,20,code,6",
]


def needs(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not path.is_file(), reason=f"{path.name} is not there: it is no part of the project")


def table(folder: Path, rows: list[str] = ROWS, head: str = HEAD, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text("# A comment, which counts as a line.\n" + "\n".join([head, *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def pool() -> MeasuredPool:
    return MeasuredPool.from_table(SHIPPED)


# What is read


def test_a_table_is_laid_out_by_question_entry_and_way(tmp_path: Path) -> None:
    """One entry has two runs on one question, all others one: two ways. The question without `large` is left out."""
    outcomes = read_outcomes(table(tmp_path))
    assert (outcomes.questions, outcomes.entries, outcomes.dropped) == (("short", "long"), ("small", "large"), 1)
    assert outcomes.energy_j.tolist() == [[[10, 14], [100, 100]], [[20, 20], [200, 200]]]
    assert outcomes.solved.tolist() == [[[True, False], [True, True]], [[False, False], [True, True]]]
    assert outcomes.seconds.tolist() == [[[1, 2], [3, 3]], [[4, 4], [5, 5]]]
    assert outcomes.prompt_length.tolist() == [5, 50] and outcomes.families == ("maths", "code")


def test_columns_and_names_can_be_mapped_and_entries_chosen(tmp_path: Path) -> None:
    head = HEAD.replace("question", "qid").replace("joules", "J")
    path = table(tmp_path, head=head)
    outcomes = read_outcomes(path, {"question": "qid", "joules": "J"}, {"small": "S"}, entries=["S"])
    assert outcomes.entries == ("S",) and outcomes.dropped == 0 and len(outcomes.questions) == 3


def test_tokens_become_joules_and_seconds_by_the_rates(tmp_path: Path) -> None:
    path = table(tmp_path, ["a,m,1,200", "b,m,0,50"], "question,model,correct,output_tokens")
    outcomes = read_outcomes(path, rates=Rates({"m": 0.5}, {"m": 0.04}))
    assert outcomes.energy_j.ravel().tolist() == [100.0, 25.0]
    assert outcomes.seconds.ravel().tolist() == pytest.approx([8.0, 2.0])
    assert read_outcomes(path, rates=Rates({"m": 0.5})).seconds is None


def test_a_compressed_table_is_the_same(tmp_path: Path) -> None:
    plain = table(tmp_path)
    for name in ("table.csv.gz", "TABLE.CSV.GZ"):
        (tmp_path / name).write_bytes(gzip.compress(plain.read_bytes()))
        assert read_outcomes(tmp_path / name).digest == read_outcomes(plain).digest


@pytest.mark.parametrize(
    "encode", [lambda text: text.encode("utf-8-sig"), lambda text: text.replace("\n", "\r\n").encode()]
)
def test_a_table_that_excel_wrote_is_the_same(encode: Callable[[str], bytes], tmp_path: Path) -> None:
    plain = table(tmp_path)
    (tmp_path / "excel.csv").write_bytes(encode(plain.read_text().partition("\n")[2]))
    assert read_outcomes(tmp_path / "excel.csv").digest == read_outcomes(plain).digest


def test_what_looks_like_a_comment_below_the_head_is_a_part_of_a_question(tmp_path: Path) -> None:
    names = ["Task\n# A\n\nAnswer.", "Task\n# B\n\nAnswer.", "#3"]
    rows = [f'"{name}",m,1,10,0,5,maths,1' for name in names]
    assert read_outcomes(table(tmp_path, rows)).questions == tuple(names)
    with pytest.raises(InputError, match="row 13: joules is '-1'"):
        read_outcomes(table(tmp_path, [*rows, "", "x,m,1,-1,0,5,maths,1"]))


def test_parquet_is_the_same_or_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, path = table(tmp_path), tmp_path / "table.parquet"
    path.write_bytes(b"")
    with monkeypatch.context() as without:
        without.setitem(__import__("sys").modules, "pyarrow", None)
        with pytest.raises(MissingExtra, match=r"pip install 'energy-route-env\[parquet\]'"):
            read_outcomes(path)
    csv = pytest.importorskip("pyarrow.csv")
    from pyarrow import parquet

    columns = csv.read_csv(plain, csv.ReadOptions(skip_rows=1))
    for name in ("table.parquet", "table.pq", "TABLE.PARQUET"):
        parquet.write_table(columns, tmp_path / name)
        assert read_outcomes(tmp_path / name).digest == read_outcomes(plain).digest
    path.write_bytes(b"none")
    with pytest.raises(InputError, match="must be a table in Parquet"):
        read_outcomes(path)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("short,small,0.5,10,2,5,maths,1", "row 9: correct is '0.5', but it must be 1 or 0, true or false"),
        ("short,small,1,-10,2,5,maths,1", "row 9: joules is '-10', but it must be a finite number, at least 0"),
        ("short,small,1,nan,2,5,maths,1", "row 9: joules is 'nan'"),
        ("short,small,1,many,2,5,maths,1", "row 9: joules is 'many'"),
        ("short,small,1,1_0,2,5,maths,1", "row 9: joules is '1_0'"),
        (
            "short,small,1,1e51,2,5,maths,1",
            "row 9: joules is '1e51', but it must be a finite number, at least 0 and at most 1e+50",
        ),
        (",small,1,10,2,5,maths,1", "row 9: question is '', but it must be a name"),
        ("short,small,1,10,1,5,maths,1", "row 9: question 'short': run '1' of 'small' on this question stands in"),
        ("short,small,1,10,2,6,maths,1", "row 9: question 'short': family and prompt_length differ from row 3"),
        ("short,small,1,10,2,5,code,1", "row 9: question 'short': family and prompt_length differ from row 3"),
        ("short,small,1", "row 9: it has 3 values, but there are 8 columns"),
    ],
)
def test_a_bad_row_is_refused_with_file_row_and_reason(row: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read_outcomes(table(tmp_path, [*ROWS, row]))
    assert reason in str(error.value) and "table.csv" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"columns": {"joule": "joules"}}, "column 'joule' is unknown; the nearest valid one is 'joules'"),
        ({"columns": {"joules": "Joules"}}, "'Joules' is unknown; the nearest valid one is 'joules'"),
        ({"entries": ["smal"]}, "'smal' is unknown; the nearest valid one is 'small'"),
        ({"entries": ["small", "large", "small"]}, "entry is 'small', but it must be named once"),
        ({"names": {"smal": "S"}}, "model of .* 'smal' is unknown; the nearest valid one is 'small'"),
        ({"rates": Rates({"small": 1.0})}, "'output_tokens' is unknown"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest(changes: dict, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=reason):
        read_outcomes(table(tmp_path), **changes)


def test_an_entry_without_a_rate_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, ["a,m,1,200"], "question,model,correct,output_tokens")
    with pytest.raises(InputError, match=r"row 3: joules per token of 'm' is unknown; the nearest valid one is 'mm'"):
        read_outcomes(path, rates=Rates({"mm": 1.0}))
    with pytest.raises(
        InputError, match=r"joules per token: entry of .* 'mm' is unknown; the nearest valid one is 'm'"
    ):
        read_outcomes(path, rates=Rates({"m": 1.0, "mm": 1.0}))


def test_an_entry_that_is_not_asked_for_needs_no_rate(tmp_path: Path) -> None:
    path = table(tmp_path, ["a,m,1,200", "a,n,1,10", "b,n,1,10"], "question,model,correct,output_tokens")
    outcomes = read_outcomes(path, rates=Rates({"m": 2.0}), entries=["m"])
    assert outcomes.energy_j.tolist() == [[[400.0]]] and outcomes.dropped == 1


UNREADABLE = {
    "twice.csv": (b"question,model,model\nq,a,b\n", "column of .*twice.csv is 'model', but it must be named once"),
    "long.csv": (b"question\n" + b"x" * 140_000, "field larger than field limit"),
    "open.csv": (b'question,model\na,"b\nc,d\n', "unexpected end of data"),
    "latin.csv": ("question\n\xe9".encode("latin-1"), "can't decode byte 0xe9"),
    "cut.csv.gz": (gzip.compress(b"question\n" * 100)[:-10], "ended before the end-of-stream marker"),
    "torn.csv.gz": (gzip.compress(b"question\n")[:10] + b"\xff" * 20, "while decompressing data"),
    "plain.csv.gz": (b"question\n", "Not a gzipped file"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    content, reason = UNREADABLE[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=reason) as error:
        read_outcomes(tmp_path / name)
    assert name in str(error.value)


def test_what_is_no_table_of_outcomes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"file is 'none\.csv', but it must be the path of a table"):
        read_outcomes("none.csv")
    with pytest.raises(InputError, match="is 0, but it must be 1 or more"):
        read_outcomes(table(tmp_path, []))
    with pytest.raises(InputError, match="no question has a run of each"):
        read_outcomes(table(tmp_path, ["a,small,1,10,0,5,x,1", "b,large,1,10,0,5,x,1"]))
    many = [f"q,m{k},1,1,{run},1,x,1" for k, runs in enumerate((7, 11, 13)) for run in range(runs)]
    with pytest.raises(InputError, match=r"numbers of runs \[7, 11, 13\] is 1001, but it must be at most 1000"):
        read_outcomes(table(tmp_path, many))


# The pool


def test_the_shipped_table_is_the_measured_one(pool: MeasuredPool) -> None:
    """52 questions on six entries; the first, second and last take and solve what their source says on average."""
    energy_j, solved = pool.outcomes.energy_j, pool.outcomes.solved
    assert energy_j.shape == (52, 6, 6) and pool.outcomes.dropped == 0
    assert pool.names[0] == "qwen3-30b-a3b-nothink" and pool.names[-1] == "deepseek-r1-0528"
    assert energy_j.mean(axis=(0, 2))[[0, 1, 5]] == pytest.approx([130.93, 961.15, 16141.14], abs=0.01)
    assert solved.mean(axis=(0, 2))[[0, 1, 5]] == pytest.approx([0.269, 0.404, 0.609], abs=1e-3)


def test_questions_are_split_by_the_hash_of_their_name_alone(pool: MeasuredPool) -> None:
    train, test = pool.numbers("train"), pool.numbers("test")
    assert np.concatenate([train, test]).tolist() == list(range(52)) == pool.numbers("all").tolist()
    for number, name in enumerate(pool.outcomes.questions):
        first = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        assert (first < 2**63) == (number in test)
    half = MeasuredPool(pool.outcomes.take(range(0, 52, 2)))
    tested = {half.outcomes.questions[n] for n in half.numbers("test")}
    assert tested == {pool.outcomes.questions[n] for n in test} & set(half.outcomes.questions)
    with pytest.raises(InputError, match="split is 'tests'"):
        pool.questions("tests")


def test_the_order_of_the_rows_plays_no_part(pool: MeasuredPool) -> None:
    assert MeasuredPool(pool.outcomes.take(np.random.default_rng(5).permutation(52))) == pool


def test_a_dispatcher_never_sees_the_outcomes_of_test_questions(pool: MeasuredPool) -> None:
    """Other outcomes on the test questions, the same estimates; other ones on the training questions, others."""
    for split, same in (("test", True), ("train", False)):
        energy_j, solved = pool.outcomes.energy_j.copy(), pool.outcomes.solved.copy()
        energy_j[pool.numbers(split)] *= 7
        solved[pool.numbers(split)] ^= True
        other = MeasuredPool(replace(pool.outcomes, energy_j=energy_j, solved=solved))
        at = np.array(pool.questions("test"))
        assert np.array_equal(other.expected_energy_j(at, 0), pool.expected_energy_j(at, 0)) == same
        assert np.array_equal(other.success_chance(at, 0), pool.success_chance(at, 0)) == same


def test_what_it_sees_is_the_training_mean_of_the_family(tmp_path: Path) -> None:
    rows = [f"q{k},m,{k % 3 == 0},{10 + k},0,{k},{'ab'[k % 2]},1" for k in range(40)]
    pool = MeasuredPool.from_table(table(tmp_path, [*rows, "q4002,m,1,5,0,3,new,1"]))
    outcomes, train = pool.outcomes, pool.numbers("train")
    for number in pool.numbers("all"):
        family = outcomes.families[number]
        alike = [n for n in train if outcomes.families[n] == family] or train
        assert pool.expected_energy_j(number, 0) == pytest.approx(outcomes.energy_j[alike].mean())
        assert pool.success_chance(number, 0) == pytest.approx(outcomes.solved[alike].mean())
    assert "new" in {outcomes.families[n] for n in pool.numbers("test")}, "and one family is new in the test"


def test_the_truth_is_the_mean_of_a_questions_own_runs(pool: MeasuredPool) -> None:
    number = pool.outcomes.questions.index("trolley_problem_easy")
    assert pool.energy_j(float(number))[0] == pytest.approx((18.89 + 33.51 + 35.34) / 3)
    assert pool.latency_s(np.array([[number]])).shape == (1, 1, 6)
    assert pool.latency_s(number)[0] == pytest.approx((2.5 + 4.5 + 4.7) / 3)
    assert np.isnan(replace_outcomes(pool, seconds=None).latency_s(3)).all()


def replace_outcomes(pool: MeasuredPool, **changes: object) -> MeasuredPool:
    return replace(pool, outcomes=replace(pool.outcomes, **changes))


def test_what_is_drawn_follows_the_law_that_is_given(pool: MeasuredPool) -> None:
    """Each of six ways has the probability 1/6: of 60 000 draws 10 000 ± 91; the bound is five standard errors."""
    number = pool.outcomes.questions.index("dead_schrodingers_cat")
    law = pool.possible_attempts(np.array([float(number)]))
    assert law.energy_j.shape == law.chance.shape == (1, 6, 6) and law.probability.tolist() == [[1 / 6] * 6]
    drawn = pool.draw_attempts(np.random.default_rng(3), np.full(60_000, float(number)))
    ways = {tuple(law.energy_j[0, way]): law.chance[0, way].tolist() for way in range(3)}
    for energies, chance in ways.items():
        at = (drawn.energy_j == energies).all(axis=1)
        assert abs(at.sum() - 20_000) < 5 * np.sqrt(60_000 * (1 / 3) * (2 / 3))
        assert (drawn.solved[at] == chance).all()


def test_a_number_that_is_no_questions_is_refused(pool: MeasuredPool) -> None:
    for wrong in (-1.0, 52.0, 0.5, float("nan")):
        with pytest.raises(InputError, match=r"must be the number of a question, whole and from 0 to 51"):
            pool.energy_j(wrong)
    with pytest.raises(InputError, match=r"difficulty_noise is 0\.1, but it must be 0"):
        pool.expected_energy_j(0.0, 0.1)


def test_pools_are_equal_where_all_that_they_hold_is(pool: MeasuredPool) -> None:
    again = MeasuredPool.from_table(SHIPPED)
    assert again == pool and hash(again) == hash(pool)
    assert pickle.loads(pickle.dumps(pool)) == copy.deepcopy(pool) == pool
    other_way = replace(pool, estimates=Estimates(pool.seen.energy_j + 1, pool.seen.chance))
    assert len({pool, again, other_way, replace(pool, test_share=0.4)}) == 3
    assert replace_outcomes(pool, seconds=None) != pool != "pool"
    assert repr(pool).startswith("MeasuredPool(52 questions, entries ['qwen3-30b-a3b-nothink', ")


def test_a_split_without_questions_and_estimates_that_do_not_fit_are_refused(pool: MeasuredPool) -> None:
    with pytest.raises(InputError, match=r"test_share is 1\.0, .* \(now \{'training': 0, 'testing': 52\}\)"):
        replace(pool, test_share=1.0)
    for energy_j, chance, reason in (
        ([[1.0] * 6] * 52, np.ones((52, 6)), r"estimates\.energy_j is 'list', but it must be a numpy array of numbers"),
        (np.ones((52, 5)), np.ones((52, 6)), r"estimates\.energy_j\.shape is \(52, 5\)"),
        (np.zeros((52, 6)), np.ones((52, 6)), r"estimates\.energy_j\[0, 0\] is 0\.0, .* above 0"),
        (np.ones((52, 6)), np.full((52, 6), 1.5), r"estimates\.chance\[0, 0\] is 1\.5, .* in \[0, 1\]"),
    ):
        with pytest.raises(InputError, match=reason):
            replace(pool, estimates=Estimates(energy_j, chance))
    with pytest.raises(InputError, match="mean joules of qwen3-30b-a3b-nothink on the training questions is 0"):
        replace_outcomes(pool, energy_j=np.zeros((52, 6, 6)))


# The scenario


def test_the_scenario_asks_held_out_questions_and_trains_on_the_others(pool: MeasuredPool) -> None:
    scenario = make_scenario("measured")
    assert scenario.models == pool and scenario.retries
    assert scenario.difficulties == pool.questions("test")
    assert training_scenario(scenario).difficulties == pool.questions("train")
    assert training_scenario(make_scenario("paper")) == make_scenario("paper")
    assert measured_scenario(pool, "all").difficulties == pool.questions("all")
    drawn = scenario.draw(np.random.default_rng(4))
    assert set(drawn.difficulty) <= set(scenario.difficulties) and drawn.solved.shape == (drawn.n_tasks, 6)


def test_latencies_that_a_table_does_not_have_are_not_known_at_any_difficulties(pool: MeasuredPool) -> None:
    """Two of the three difficulties lie nearer to each other than to the third: they are no table to look up in."""
    scenario = make_scenario(measured_scenario(replace_outcomes(pool, seconds=None)), horizon_slots=5)
    uneven = replace(scenario, difficulties=tuple(scenario.difficulties[at] for at in (0, 1, 5)))
    for asked in (scenario, uneven):
        result = simulate(asked, make_dispatcher("myopic", asked), 3)
        assert np.isnan(result.latency_s).all() and np.isfinite(result.cost).all()


def test_an_entry_that_takes_nothing_in_a_family_is_named(tmp_path: Path) -> None:
    rows = [f"q{k},{m},1,{j},0,5,{k % 2},1" for k in range(40) for m, j in (("dear", 9), ("free", k % 2))]
    with pytest.raises(InputError, match=r"energy of a task on free is 0\.0, but it must be finite and above 0"):
        measured_scenario(MeasuredPool.from_table(table(tmp_path, rows)))


def test_no_observation_tells_questions_of_a_family_apart(pool: MeasuredPool) -> None:
    env = EnergyRouteEnv(make_scenario("measured", horizon_slots=1))
    seen = [env.reset(options={"trace": Trace.of([0.0], [0], [number])})[0] for number in pool.questions("test")]
    assert np.ptp(seen, axis=0).tolist() == [0.0] * len(seen[0])
    assert seen[0][2] == 0.0


# The importer of ML.ENERGY's table

CONFIGURATION_ROWS = [
    "org/a,H100,bf16,1,8,8,1.0,20",
    "org/a,H100,bf16,1,32,32,0.25,40",
    "org/a,H100,bf16,2,64,60,0.2,10",
    "org/a,B200,bf16,1,8,8,1,1",
    "org/a,B200,fp8,1,8,8,1,1",
    "org/zero,H100,bf16,1,16,16,0,20",
    "org/none,H100,bf16,1,16,0,1,20",
    "org/late,H100,bf16,1,64,64,1,20",
    "org/late,H100,bf16,2,16,16,3,20",
]
CONFIGURATION_HEAD = (
    "model_id,gpu_model,weight_precision,num_gpus,max_num_seqs,avg_batch_size,energy_per_token_joules,median_itl_ms"
)


@pytest.fixture
def configurations(tmp_path: Path) -> Path:
    return table(tmp_path, CONFIGURATION_ROWS, CONFIGURATION_HEAD)


def test_rates_are_measured_ones_or_lie_between_them(configurations: Path) -> None:
    """At 16, half way from 8 to 32 in logarithms: the geometric mean of 1 and 0.25, and of 20 and 40."""
    assert token_rates(configurations, {"x": "org/a"}, "H100", 8).joules == {"x": pytest.approx(1.0)}
    rates = token_rates(configurations, {"x": "org/a", "y": "org/a"}, "H100", 16)
    assert rates.joules == {"x": pytest.approx(0.5), "y": pytest.approx(0.5)}
    assert rates.seconds["x"] == pytest.approx(0.02 * 2**0.5)


def test_as_few_gpus_as_were_measured_at_such_a_batch_size(configurations: Path) -> None:
    assert token_rates(configurations, {"x": "org/a"}, "H100", 62).joules["x"] == pytest.approx(0.2)
    assert token_rates(configurations, {"x": "org/a"}, "H100", 60, n_gpus=2).joules["x"] == pytest.approx(0.2)
    assert token_rates(configurations, {"x": "org/late"}, "H100", 16).joules["x"] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"models": {"x": "org/A"}}, "model 'org/A' is unknown; the nearest valid one is 'org/a'"),
        ({"gpu": "H200"}, "GPU of org/a 'H200' is unknown; the nearest valid one is 'H100'"),
        ({"precision": "fp4"}, "precision of org/a on H100 'fp4' is unknown; the nearest valid one is 'bf16'"),
        ({"gpu": "B200"}, r"precision of org/a on B200 is None, but it must be given: one of \['bf16', 'fp8'\]"),
        ({"n_gpus": 4}, r"number of GPUs \(H100\) of org/a is 4, but it must be one of \[1, 2\]"),
        ({"batch_size": 65}, "batch size of org/a is 65, but it must be from 60 to 64: measured were 60"),
        ({"batch_size": 7}, "batch size of org/a is 7, but it must be from 8 to 32: measured were 8, 32"),
        ({"batch_size": "8"}, "batch_size is '8', but it must be a finite number above 0"),
        (
            {"models": {"x": "org/zero"}},
            "row 8: energy_per_token_joules is '0', but it must be a finite number, above 0",
        ),
        ({"models": {"x": "org/none"}}, "row 9: avg_batch_size is '0', but it must be a finite number, above 0"),
    ],
)
def test_what_was_not_measured_is_refused(changes: dict, reason: str, configurations: Path) -> None:
    with pytest.raises(InputError, match=reason):
        token_rates(**({"file": configurations, "models": {"x": "org/a"}, "gpu": "H100", "batch_size": 16} | changes))


# The tables beside the project


@needs(CONFIGURATIONS)
@needs(RAW)
def test_the_shipped_joules_are_the_importers(pool: MeasuredPool) -> None:
    """Tokens times the rate at batch 64 on B200 give every row's joules and seconds, up to rounding."""
    models = {
        "qwen3-30b-a3b-nothink": "Qwen/Qwen3-30B-A3B-Thinking-2507",
        "qwen3-30b-a3b-think": "Qwen/Qwen3-30B-A3B-Thinking-2507",
        "QwQ-32b": "Qwen/Qwen3-32B",
        "qwen3-235b-a22b-nothink": "Qwen/Qwen3-235B-A22B-Thinking-2507",
        "qwen3-235b-a22b-think": "Qwen/Qwen3-235B-A22B-Thinking-2507",
        "deepseek-r1-0528": "deepseek-ai/DeepSeek-R1-0528",
    }
    rates = token_rates(CONFIGURATIONS, models, "B200", 64)
    computed = MeasuredPool(read_outcomes(RAW, {"prompt_length": "prompt_chars"}, rates=rates))
    assert computed.outcomes.questions == pool.outcomes.questions and computed.names == pool.names
    assert computed.outcomes.energy_j == pytest.approx(pool.outcomes.energy_j, rel=2e-5, abs=0.006)
    assert computed.outcomes.seconds == pytest.approx(pool.outcomes.seconds, abs=0.051)
    assert (computed.outcomes.solved == pool.outcomes.solved).all()


@needs(OUTCOMES)
def test_the_large_table_is_read_by_its_path() -> None:
    """Of ten models seven have all three tasks; with all ten, no question has every entry."""
    columns = {"question": "qid", "family": "task", "joules": "J_at_batch64"}
    with pytest.raises(InputError, match="no question has a run of each"):
        read_outcomes(OUTCOMES, columns)
    entries = ["gemma-2-2b-it", "gemma-2-9b-it", "Meta-Llama-3.1-8B-Instruct", "gemma-2-27b-it"]
    entries += ["Meta-Llama-3.1-70B-Instruct", "Mistral-Large-2", "Llama-3.1-405B-Inst@sambanova"]
    pool = MeasuredPool.from_table(OUTCOMES, columns, entries=entries)
    assert pool.outcomes.energy_j.shape == (2840, 7, 1) and pool.outcomes.dropped == 0
    assert pool.outcomes.seconds is None and pool.outcomes.prompt_length is None
