"""Identity: whose stream it is, among those of many workers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import NamedTuple


class Identity(NamedTuple):
    """Who makes a stream's pictures.

    Attributes:
        run: what the whole training is called; None = nobody said.
        rank: which of its processes it is, from 0; None = there is but one, or nobody said.
        host: the machine it runs on.
        pid: its process there.
        life: tells this life of it from any other; recordings are counted by it.
    """

    run: str | None = None
    rank: int | None = None
    host: str | None = None
    pid: int | None = None
    life: str | None = None


# Who starts several processes for one training says in these which of how many each is.
_RANKS = (
    ("RANK", "WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
)
_RUNS = ("TORCHELASTIC_RUN_ID", "SLURM_JOB_ID")
_NUMBERED = re.compile(
    r"(?:(Worker<\w+>)|\w+Process|Process)-(\d+)"
)  # Gymnasium's count from 0, Python's from 1.
_LONGEST = 60  # Characters of a name.


def identity(
    run: str | None,
    environ: Mapping[str, str],
    script: str,
    worker: str | None,
    host: str,
    pid: int,
) -> Identity:
    """Who this process is.

    Args:
        run: what somebody called the run; None = it is named after the job, else after the script.
        environ: its environment.
        script: the path of what was started.
        worker: the name of the process, where another Python process started it, as `SpawnProcess-3`.
    """
    return Identity(run or _run(environ, script), _rank(environ, worker), host, pid)


def _run(environ: Mapping[str, str], script: str) -> str | None:
    for name in _RUNS:
        said = environ.get(name, "")
        if said not in ("", "none"):
            return said[:_LONGEST]
    path = PurePath(script)
    return path.stem[:_LONGEST] if path.suffix == ".py" and path.stem != "__main__" else None


def _rank(environ: Mapping[str, str], worker: str | None) -> int | None:
    for rank, size in _RANKS:
        said, of = environ.get(rank, ""), environ.get(size, "")
        if said.isdecimal() and of.isdecimal() and int(of) > 1:
            return int(said)
    numbered = _NUMBERED.fullmatch(worker or "")
    if numbered is None:
        return None
    return int(numbered[2]) - (not numbered[1])
