"""Who a process is: its run and its rank, as those say who started it."""

from __future__ import annotations

import pytest

from envstream.identity import Identity, identity


def here(
    run: str | None = None, worker: str | None = None, script: str = "/home/me/train.py", **environ: str
) -> Identity:
    return identity(run, environ, script, worker, "node", 7)


def test_it_says_where_it_is() -> None:
    assert (here().host, here().pid) == ("node", 7)


def test_what_somebody_calls_the_run_goes_before_all_else() -> None:
    assert here("mine", SLURM_JOB_ID="12").run == "mine"


@pytest.mark.parametrize(
    ("environ", "run"),
    [
        ({"SLURM_JOB_ID": "12"}, "12"),
        ({"TORCHELASTIC_RUN_ID": "abc", "SLURM_JOB_ID": "12"}, "abc"),
        ({"TORCHELASTIC_RUN_ID": "none"}, "train"),  # What torchrun says where nobody said anything.
        ({}, "train"),
    ],
)
def test_else_it_is_named_after_the_job_or_the_script(environ: dict[str, str], run: str) -> None:
    assert here(**environ).run == run


@pytest.mark.parametrize("script", ["", "-c", "-m", "/usr/bin/ipython", "/lib/package/__main__.py"])
def test_what_is_no_script_gives_no_name(script: str) -> None:
    assert here(script=script).run is None


@pytest.mark.parametrize(
    ("environ", "rank"),
    [
        ({"RANK": "3", "WORLD_SIZE": "8"}, 3),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"}, 2),
        ({"PMI_RANK": "1", "PMI_SIZE": "2"}, 1),
        ({"SLURM_PROCID": "5", "SLURM_NTASKS": "6"}, 5),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        ({"RANK": "three", "WORLD_SIZE": "8"}, None),
        ({"RANK": "3"}, None),
        ({}, None),
    ],
)
def test_its_rank_is_what_its_starter_says_where_there_are_several(
    environ: dict[str, str], rank: int | None
) -> None:
    assert here(**environ).rank == rank


@pytest.mark.parametrize(
    ("worker", "rank"),
    [
        ("SpawnProcess-3", 2),
        ("ForkServerProcess-1", 0),
        ("Worker<AsyncVectorEnv>-0", 0),
        ("Worker<AsyncVectorEnv>-12", 12),
        ("Process-1", 0),
        ("data loader-4", None),
        ("MainProcess", None),
        (None, None),
    ],
)
def test_a_process_that_python_started_has_the_number_in_its_name(
    worker: str | None, rank: int | None
) -> None:
    assert here(worker=worker).rank == rank
