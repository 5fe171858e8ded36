"""Requests that schemathesis makes up from `/openapi.json`, to a real server over a socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from furnished import DESCRIPTION, Furnished, furnished

pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')
schemathesis = pytest.importorskip("schemathesis", reason='pip install "gymnasium-envstream[test]"')
requests = pytest.importorskip("requests")


# schemathesis asks Python's `random` whether a path is to be mutated, which Hypothesis warns of.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

schemathesis.checks.load_all_checks()
CHECKS = schemathesis.checks.CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    ]
)
SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION)
OPERATIONS = {
    f"{operation.method} {operation.path}": operation
    for operation in (found.ok() for found in SCHEMA.get_all_operations())
    if operation.path != "/stream"  # It has no end, so that no answer is ever whole.
}
POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


def can_be_wrong(operation: Any) -> bool:
    """Whether there is a request to it that is not as described: any text is a name."""
    given = [*operation.path_parameters, *operation.query]
    return bool(operation.body) or any(set(each.definition["schema"]) != {"type"} for each in given)


EACH = [
    (name, mode)
    for name, operation in OPERATIONS.items()
    for mode in (POSITIVE, NEGATIVE)
    if mode is POSITIVE or can_be_wrong(operation)
]
SOON = 5  # Pictures that `?after=` may wait for.


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    with furnished(tmp_path_factory.mktemp("http")) as server:
        yield server
        server.unharmed()
        assert not [line for line in server.trainer.errors if "Traceback" in line]


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    with requests.Session() as session:
        yield session


def answered(server: Furnished, session: Any, name: str, mode: Any, examples: int) -> None:
    """Send so many requests to one address, and hold what is answered against the description."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=OPERATIONS[name].as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        if isinstance(case.query, dict) and "after" in case.query:
            case.query["after"] = SOON
        address = f"http://127.0.0.1:{server.port}"
        answer = case.call(base_url=address, session=session, timeout=60, allow_redirects=False)
        waits = answer.status_code == 503 and answer.content  # The description tells of it, and it says why.
        case.validate_response(answer, checks=CHECKS[1:] if waits else CHECKS)

    one()


@pytest.mark.parametrize(("name", "mode"), EACH)
def test_no_request_is_answered_but_as_described(
    server: Furnished, session: Any, name: str, mode: Any
) -> None:
    answered(server, session, name, mode, 3)


@pytest.mark.long
@pytest.mark.parametrize(("name", "mode"), EACH)
def test_no_request_of_many_is_answered_but_as_described(
    server: Furnished, session: Any, name: str, mode: Any
) -> None:
    answered(server, session, name, mode, 60)


def test_the_server_is_none_the_worse_for_it(server: Furnished) -> None:
    server.unharmed()
