"""Every mechanism keeps every promise of the contract."""

from collections.abc import Callable

import pytest

from contract import CASES
from mechaug.mechanisms import CHAIN_ORDER
from mechaug.testing import CHECKS, Case, check_compile, check_no_global_state

# The run-time type checker cannot be traced, and draws from Python's global random state itself.
UNTYPED = (check_compile, check_no_global_state)
TYPED = [check for check in CHECKS if check not in UNTYPED]


@pytest.mark.parametrize("check", TYPED, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_contract(case: Case, check: Callable[[Case], None]) -> None:
    check(case)


@pytest.mark.untyped
@pytest.mark.parametrize("check", UNTYPED, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_contract_untyped(case: Case, check: Callable[[Case], None]) -> None:
    check(case)


# Diffraction and spectra: the compiler leaves complex numbers to the library, and says so.
@pytest.mark.filterwarnings("ignore:Torchinductor does not support code generation for complex operators")
@pytest.mark.slow
@pytest.mark.untyped
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_contract_compiles_with_inductor(case: Case) -> None:
    check_compile(case, backend="inductor")


def test_every_mechanism_has_a_row() -> None:
    tried = {type(case.mechanism) for case in CASES.values()}
    assert set(CHAIN_ORDER) <= tried
