"""Every function of the toy called from Python, one subject a function.  Each runs in a process of its own."""

from __future__ import annotations

import ctypes
import gc
import sys
import weakref

import cubind
from cubind import toy


def raises(kind, function, *arguments):
    """The exception that a call raises."""
    try:
        function(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"{function.__name__} did not raise {kind.__name__}")


def versioned_function_comes_from_the_resolver():
    """The public name is the newest prototype; the old symbol, which would fail, is not called."""
    box = toy.toyBoxCreate(5)
    assert type(box) is toy.toyBox and int(box)
    assert toy.toyBoxCreate_v2(size=5) != box
    assert toy.toyBoxDestroy(box) is None
    assert toy.toyGetSymbol("toyBoxCreate", 1020, 0)[1] == 1
    assert raises(cubind.CudaError, toy.toyGetSymbol, "toyBoxCreate", 1, 0).code == toy.toyStatus.TOY_ERROR_INVALID


def failures_have_their_classes():
    error = raises(cubind.InvalidValueError, toy.toyBoxCreate, -1)
    assert isinstance(error, ValueError)
    assert str(error) == "toyBoxCreate: TOY_ERROR_INVALID (1): that is invalid"
    assert isinstance(raises(cubind.OutOfMemoryError, toy.toyBoxCreate, 2000), MemoryError)
    missing = raises(cubind.SymbolNotFoundError, toy.toyGone)
    assert "toyGone is not in the toy library (libtoy)" in str(missing)
    assert "argument 'size'" in str(raises(TypeError, toy.toyBoxCreate, "five"))
    assert toy.toyLastStatus() is toy.toyStatus.TOY_ERROR_NO_MEMORY
    assert toy.toyReset() is None
    assert toy.toyLastStatus() == 0


def records_go_in_and_out():
    box = toy.toyBoxCreate(1)
    event = toy.toyEvent(kind=toy.toyKind.TOY_KIND_POINT, label="a label", raw=b"\1\2\3\4")
    event.point.y = 9
    event.path.to[1].x = -4
    event.path.where.host = b"host\0\0\0\0"
    event.word.bytes = b"\1\0\0\0"
    setattr(event, "from_" if hasattr(event, "from_") else "from", 1 << 40)
    event.points = [toy.toyPoint(x=1, y=2), toy.toyPoint(x=3)]
    assert event.count == 2
    toy.toyBoxPut(box, toy.toyPoint(x=5, y=6), event)
    found, at = toy.toyBoxGet(box)
    assert (at.x, at.y) == (5, 6)
    assert (found.kind, found.point.y, found.integer >> 32) == (2, 9, 9)
    assert (found.path.to[1].x, found.path.where.host[:4], found.word.whole) == (-4, b"host", 1)
    assert (found.label, found.raw, found.never) == ("a label", b"\1\2\3\4", toy.toyNever_st(0))
    assert toy.toyEvent.__layout__["path"] == (16, 32)
    toy.toyBoxPut(box, None, None)
    assert toy.toyKindOf(event) is toy.toyKind.TOY_KIND_POINT
    assert toy.toyPoint_st is toy.toyPoint


def pointers_to_values_go_in():
    box = toy.toyBoxCreate(1)
    toy.toyBoxScale(box, 3.0, toy.toyPoint(x=100))
    toy.toyBoxScale(box, 1.0, None)
    assert [p.x for p in toy.toyBoxBorrow(box)] == [103, 109]


def lists_come_back():
    box = toy.toyBoxCreate(5)
    points, kinds = toy.toyBoxList(box)
    assert [(p.x, p.y) for p in points] == [(1, 2), (3, 4)]
    assert kinds == [toy.toyKind.TOY_KIND_POINT, toy.toyKind.TOY_KIND_NONE]
    assert toy.toyBoxList(toy.toyBoxCreate(0)) == ([], [])
    assert [p.y for p in toy.toyBoxBorrow(box)] == [2, 4]
    assert toy.toyBoxBytes(box) == b"\7\0\0\0\10\0\0\0"
    assert toy.toyRange(-2, 3) == [-2, -1, 0]
    assert toy.toyDivisors(12, 4) == [1, 2, 3, 4]
    assert toy.toyDivisors(3, 4) == [1, 3]
    assert toy.toyChunks(10, 4) == [4, 4, 2]
    assert toy.toyKinds() == [-1, 0, 1]
    assert toy.toyCountKinds() == 3


def text_and_bytes_come_back():
    box = toy.toyBoxCreate(1)
    assert toy.toyBoxName(box, 16) == "box"
    assert toy.toyBoxName(box, 2) == "bo"
    assert toy.toyBoxDump(box, 8) == b"a\0b"
    assert toy.toyBoxText(box) == "box"
    assert toy.toyBoxImage(box) == b"box\0"
    assert toy.toyBoxTextSize(box) == 4
    assert raises(cubind.InvalidValueError, toy.toyBoxText, None).code == 1
    assert toy.toyTags() == ("tag", b"\1\0\2\3")


def attributes_have_their_types():
    box, kind = toy.toyBoxCreate(1), toy.toyKind
    toy.toyBoxSetAttribute(box, kind.TOY_KIND_INTEGER, -5)
    toy.toyBoxSetAttribute(box, kind.TOY_KIND_NUMBER, 2.5)
    toy.toyBoxSetAttribute(box, kind.TOY_KIND_POINT, toy.toyPoint(x=7, y=8))
    toy.toyBoxSetAttribute(box, kind.TOY_KIND_NAME, "new name")
    assert toy.toyBoxGetAttribute(box, kind.TOY_KIND_INTEGER) == -5
    assert toy.toyBoxGetAttribute(box, kind.TOY_KIND_NUMBER) == 2.5
    assert toy.toyBoxGetAttribute(box, kind.TOY_KIND_POINT).y == 8
    assert toy.toyBoxGetAttribute(box, kind.TOY_KIND_NAME) == "new name"
    assert toy.toyBoxRange(box, kind.TOY_KIND_CODES, 12) == [7, 8, 9]
    assert "attribute" in str(raises(ValueError, toy.toyBoxGetAttribute, box, kind.TOY_KIND_NONE))
    found = toy.toyBoxGetAttributes(box, [kind.TOY_KIND_NUMBER, kind.TOY_KIND_CODES], None, [8, 8])
    assert found == [2.5, [7, 8]]


def counts_and_arrays_agree():
    assert toy.toySum([1, 2, 3], [10, 100], None, None) == 213
    assert toy.toySum([1, 2, 3], None, 2, [0.5, 0.25]) == 3.75
    assert "2 elements are needed" in str(raises(ValueError, toy.toySum, [1], None, None, [0.5]))
    raises(ValueError, toy.toySum, [1], None, 2, None)
    assert toy.toyJoin(["ab", "c"], None, 8) == "abc"
    points = [toy.toyPoint(x=1), toy.toyPoint(x=2)]
    assert toy.toyMove(points, None, 10) is None
    assert [p.x for p in points] == [11, 12]


def addresses_are_of_anything():
    target = bytearray(4)
    toy.toyCopy(target, b"abcd", 4)
    assert target == b"abcd"
    raises(BufferError, toy.toyCopy, b"only read", b"x", 1)
    assert toy.toyHash(b"\1\2", 2) == 33
    assert toy.toyMap(3) == 48
    assert toy.toyShare(3, 4) == 7


def optional_parameters_may_be_left_out():
    assert toy.toyOpen("name", 2) == 2004
    assert toy.toyOpen(None, flags=1, extra=bytearray(1)) == 1001100


def what_is_taken_is_returned():
    assert toy.toyTick(toy.toyDefaultStream(), 10) == 11
    assert toy.toyTick(None, None) is None
    cubind.per_thread_default_stream(True)
    assert toy.toyTick(None, 10) == 77


def failure_says_more():
    assert toy.toyCheck(0) is None
    assert raises(cubind.InvalidValueError, toy.toyCheck, 4).__notes__ == ["where: 8"]


def statuses_that_answer():
    assert toy.toyReady(toy.TOY_STREAM_DEFAULT) is True
    assert toy.toyReady(5) is False
    raises(cubind.InvalidValueError, toy.toyReady, None)
    assert toy.toyTry(3) == 4
    assert toy.toyTry(10) == 11
    raises(cubind.InvalidValueError, toy.toyTry, -1)


def results_that_are_no_status():
    total = toy.toyAdd(toy.toyPoint(x=1, y=2), toy.toyPoint(x=10, y=20))
    assert (total.x, total.y) == (11, 22)
    assert toy.toyHalf(5) == 2.5
    assert toy.toyFlags() == 0xFFFFFFFF
    assert toy.toyStatusText(toy.toyStatus.TOY_ERROR_INVALID) == "that is invalid"
    assert toy.toyStatusText(0) is None
    stream = toy.toyDefaultStream()
    assert type(stream) is toy.toyStream is toy.toyQueue
    assert stream.__cuda_stream__() == (0, 1)


def kernels_take_values():
    function, kernel = toy.toyFind("f")
    text = bytearray(b"\x05")
    where = ctypes.pointer(ctypes.c_char_p(bytes(text)))
    assert toy.toyLaunch(function, (1, 2.5, ctypes.cast(where, ctypes.c_void_p).value)) == 8.5
    assert toy.toyLaunch(kernel, [2.25]) == 2.25
    assert "takes 3 parameters" in str(raises(TypeError, toy.toyLaunch, function, (1,)))
    assert toy.toyFunctionParam(function, 1) == (8, 8)
    assert toy.toyKernelParam(kernel, 0) == (0, 8)


def what_c_goes_on_using_is_kept():
    first, second = bytearray(b"\0"), bytearray(b"\5")
    gone = weakref.ref(Buffer(first))
    link = toy.toyLinkCreate(None, [first, second])
    toy.toyLinkRun(link)
    assert (first, second) == (b"\1", b"\6")
    raises(BufferError, first.append, 1)
    toy.toyLinkDestroy(link)
    first.append(1)
    raises(cubind.InvalidValueError, toy.toyLinkCreate, None, [second] * 4)
    second.append(1)
    assert gone() is None


class Buffer:
    """Something that weak references can see go."""

    def __init__(self, data):
        self.data = data


def callbacks_during_the_call():
    box, seen, context = toy.toyBoxCreate(1), [], object()

    def visit(point, item, user):
        seen.append((ctypes.c_int.from_address(point).value, item, user))
        return 15

    toy.toyEach(box, visit, context)
    assert seen == [(1, 5, context), (3, 6, context)]
    assert toy.toyApply(lambda value: value * 3, 4) == 12
    toy.toyPing(lambda: seen.append("ping"), 2)
    assert seen[2:] == ["ping", "ping"]
    assert toy.toyIntegrate(lambda at: at * 2) == 4.0
    assert sys.getrefcount(context) <= 4


def callback_with_a_record_by_value_is_an_address():
    """No trampoline can be written for it: a callable is refused, an address is passed on."""
    assert toy.toyMeasured(None, None) == -1
    assert "address" in str(raises(TypeError, toy.toyMeasured, lambda *_: 1, None))


def callbacks_once():
    seen, holder = [], Buffer(None)
    gone = weakref.ref(holder)
    toy.toyDefer(lambda stream, user: seen.append((int(stream), user.data)), holder)
    toy.toyAfter(3, lambda stream, user: seen.append((int(stream), user)), "user")
    del holder
    gc.collect()
    assert gone() is not None
    toy.toyRunDeferred()
    gc.collect()
    assert seen == [(0, None), (3, "user")]
    assert gone() is None


def callbacks_until_they_are_unregistered():
    seen, holder = [], Buffer(None)
    gone = weakref.ref(holder)
    token = toy.toyRegister(lambda stream, user: seen.append(user.data), holder)
    del holder
    raises(cubind.InvalidValueError, toy.toyUnregister, token, 1)
    toy.toyFire(None)
    assert seen == [None]
    toy.toyUnregister(token, 0)
    gc.collect()
    assert gone() is None
    toy.toyFire(None)
    assert seen == [None]


def callbacks_forever():
    """Text that has no NUL arrives as str."""
    seen = []
    toy.toySetLog(lambda user, level, text, length: seen.append((user, level, text, length)), "log")
    raises(cubind.InvalidValueError, toy.toyBoxCreate, -1)
    assert seen == [("log", toy.toyStatus.TOY_ERROR_INVALID, "bad", 3)]


def callbacks_of_an_owner():
    box, seen = toy.toyBoxCreate(1), []
    toy.toyWithBox(box, lambda stream, user: seen.append(user), "box")
    gc.collect()
    toy.toyFire(box)
    event = toy.toyEvent(done=lambda stream, user: seen.append(user), context="event")
    toy.toyBoxOn(box, event)
    del event
    gc.collect()
    toy.toyFire(box)
    assert seen == ["box", "box", "event"]


def callback_that_raises_is_reported():
    reported = []
    sys.unraisablehook = lambda report: reported.append(report.exc_value)
    assert toy.toyApply(lambda value: value / 0, 4) == 0
    assert [type(error) for error in reported] == [ZeroDivisionError]


def constants_and_names():
    assert (toy.TOY_VERSION, toy.TOY_STREAM_DEFAULT, toy.TOY_ALL, toy.TOY_LABEL_SIZE) == (1020, 1, 0xFFFFFFFF, 12)
    assert toy.toyKind.TOY_KIND_FIRST is toy.toyKind.TOY_KIND_INTEGER
    assert toy.toyKind.TOY_KIND_NONE == -1
    assert toy.toyStatus_enum is toy.toyStatus
    assert toy.toyPtr is int
    assert not hasattr(toy, "toySecret")
    assert toy.otherUint is int
    assert "Deprecated" in toy.toyFlags.__doc__
    assert "group__TOY__BOX.html" in toy.toyBoxCreate.__doc__
    assert toy.toyOpen.__text_signature__ == "($module, name, flags, extra=None)"
