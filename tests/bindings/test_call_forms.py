"""The ways to call: what is remembered about a call's keywords, and classes that are called without a tuple."""

from __future__ import annotations

import pytest

from tests.helpers.fakes import Fake

SOURCE = """
unsigned long long got[3];
CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t n) {
    got[0] = to, got[1] = (unsigned long long)from, got[2] = n;
    return CUDA_SUCCESS;
}
"""


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Fake:
    return Fake(tmp_path_factory.mktemp("fake"), SOURCE)


class Name(str):
    """A keyword that is not quite a str."""


def test_keywords_in_any_order_again_and_again(fake: Fake) -> None:
    with fake.driver() as driver:
        copy = driver.cuMemcpyHtoD
        forms = [
            lambda i: copy(dstDevice=i, srcHost=2, ByteCount=3),
            lambda i: copy(ByteCount=3, srcHost=2, dstDevice=i),
            lambda i: copy(i, ByteCount=3, srcHost=2),
            lambda i: copy(i, **{"srcHost": 2, "ByteCount": 3}),
            lambda i: copy(i, **{Name("srcHost"): 2, Name("ByteCount"): 3}),
        ]
        for i in range(1, 600):  # more tuples of names than are remembered
            forms[i % 5](i)
            assert fake.array("got", 3) == [i, 2, 3]


def test_the_same_names_with_another_number_of_positional_arguments(fake: Fake) -> None:
    def call(*given: int) -> None:
        driver.cuMemcpyHtoD(*given, ByteCount=3)

    with fake.driver() as driver:
        for _ in range(3):
            call(1, 2)
            with pytest.raises(TypeError, match="missing 1 required positional argument: 'srcHost'"):
                call(1)
            with pytest.raises(TypeError, match="multiple values for argument 'ByteCount'"):
                call(1, 2, 3)
            with pytest.raises(TypeError, match="takes 3 positional arguments but 4 were given"):
                call(1, 2, 3, 4)


def test_the_same_names_for_another_function(fake: Fake) -> None:
    with fake.driver() as driver:
        for function in (driver.cuMemcpyHtoD, driver.cuStreamQuery, driver.cuMemcpyHtoD):
            if function is driver.cuStreamQuery:
                with pytest.raises(TypeError, match="unexpected keyword argument 'dstDevice'"):
                    function(dstDevice=1)
            else:
                function(dstDevice=1, srcHost=2, ByteCount=3)


def test_classes_are_called_alike_in_every_way(fake: Fake) -> None:
    with fake.driver() as driver:
        for make in (driver.CUstream, driver.CUevent):
            forms = [make(4096), make(*[4096]), make.__new__(make, 4096), make(make(4096))]
            assert set(forms) == {make(4096)}
            assert int(make()) == int(make(None)) == 0
            for bad in (lambda: make(1, 2), lambda: make(ptr=1), lambda: make.__new__(make, 1, 2)):  # noqa: B023
                with pytest.raises(TypeError, match="takes one positional argument"):
                    bad()
            with pytest.raises(OverflowError):
                make(-1)
            with pytest.raises(OverflowError):
                make(1 << 64)
            assert int(make((1 << 64) - 1)) == (1 << 64) - 1


def test_records_are_called_alike_in_every_way(fake: Fake) -> None:
    with fake.driver() as driver:
        make = driver.CUlaunchConfig
        assert make(gridDimX=3) == make(**{"gridDimX": 3}) == make.__new__(make, gridDimX=3)
        for bad in (lambda: make(3), lambda: make.__new__(make, 3)):
            with pytest.raises(TypeError, match="takes its fields as keywords"):
                bad()
        with pytest.raises(TypeError, match="has no field 'gridDim'"):
            make(gridDim=3)


def test_enum_classes_stay_as_they_are(fake: Fake) -> None:
    with fake.driver() as driver:
        make = driver.CUresult
        assert make(1) is make.__new__(make, 1) is make.CUDA_ERROR_INVALID_VALUE
        for change in (lambda: setattr(make, "X", 1), lambda: type.__setattr__(make, "X", 1)):
            with pytest.raises(TypeError):
                change()
        for bad in (make, lambda: make(1, 2), lambda: make(value=1)):
            with pytest.raises(TypeError, match="takes one positional argument"):
                bad()
        assert make(-5 & 0x7FFFFFFF) == 0x7FFFFFFB
