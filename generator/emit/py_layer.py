"""The Python level: `bindings/cubind/<library>.pyx`, one `cdef` body a function behind a static method table.

A body checks the argument count, converts the arguments in C order, calls through the function table and returns the
outputs.  What each parameter contributes is written by one function of `generator.emit.arguments`; this module puts the
pieces in order:

    arguments → symbol → callbacks → outputs → call → status → results

Whatever can fail stands in an `if ...: return NULL`-like line of its own, so that Cython adds no error handling.
"""

from __future__ import annotations

from ..plan import FunctionPlan, Plan
from ..writer import Writer, stamp
from .arguments import contribute
from .body import CALL_AGAIN, Body
from .cy_layer import CHEAP_IMPORT

_DIRECTIVES = "# cython: language_level=3, binding=False, auto_pickle=False, embedsignature=False, boundscheck=False"


def emit(plan: Plan) -> str:
    """The text of the module."""
    name = plan.info.name
    w = Writer()
    w.line(stamp("#", f"api/{name}.jsonl and policy/{name}.toml"))
    w.line(_DIRECTIVES)
    title = plan.info.title[0].upper() + plan.info.title[1:]
    w.line(f'"""{title}, CUDA {plan.version}: C names, Python values, exceptions."""')
    w.line("from cpython.object cimport PyObject")
    w.line("from libc.stddef cimport size_t")
    w.line("from cubind._core cimport *")
    w.line(f"from cubind._abi.{name} cimport *")
    w.line()
    w.line("cdef extern from *:")
    with w.indented():
        w.line('"""')
        w.line(CHEAP_IMPORT)
        w.line('"""')
    w.line(f'cdef extern from "_tables/{name}.h" nogil:')
    with w.indented():
        w.line("cu_module M")
        w.line("const cu_func_spec *F")
        w.line(f"cubind_{name}_table *T")
        for names in _indices(plan):
            w.line(f"int {names}")
        for enum in sorted(plan.tags):
            w.line(f"cu_tag TAGS_{enum}[1]")
            w.line(f"int N_TAGS_{enum}")
    w.line()
    for function in plan.functions:
        _function(w, plan, function)
    w.line("cu_import()")
    w.line(f'cu.module_init(&M, PyImport_AddModule("cubind.{name}"))')
    return w.text()


def _indices(plan: Plan) -> list[str]:
    """The index constants of the tables, several a line."""
    names = [f"E_{e.name}" for e in plan.library.enums] + [f"H_{h[0]}" for h in plan.handles]
    names += [f"R_{r.name}" for r in plan.records] + [f"C_{c.name}" for c in plan.callbacks]
    return [", ".join(names[i : i + 4]) for i in range(0, len(names), 4)]


def _function(w: Writer, plan: Plan, function: FunctionPlan) -> None:
    body = Body(plan, function)
    for parameter in function.params:
        contribute(body, parameter)
    name = function.function.symbol
    signature = "PyObject *m, PyObject *const *a, Py_ssize_t n, PyObject *kw"
    if body.frame:
        w.line(f'cdef PyObject *x_{name} "x_{name}"({signature}, cu_frame *fr) noexcept:')
    else:
        w.line(f'cdef PyObject *f_{name} "f_{name}"({signature}) noexcept:')
    with w.indented():
        _body(w, body)
    w.line()
    if body.frame:
        w.line(f'cdef PyObject *f_{name} "f_{name}"({signature}) noexcept:')
        with w.indented():
            w.line("cdef cu_frame fr")
            w.line("cu_frame_begin(&fr)")
            w.line(f"cdef PyObject *result = x_{name}(m, a, n, kw, &fr)")
            w.line("cu_frame_end(&fr)")
            w.line("return result")
        w.line()


def _body(w: Writer, body: Body) -> None:
    function, index = body.function, body.function.index
    taken = len(function.signature)
    target = body.result_target()
    _release(body)
    if taken:
        w.line(f"cdef PyObject *b[{taken}]")
    else:
        w.line("cdef PyObject **b = NULL")
    for line in body.declarations:
        w.line(line)
    required = taken - function.optional
    w.line(f"if {f'n < {required} or n > {taken}' if function.optional else f'n != {taken}'} or kw != NULL:")
    with w.indented():
        w.line(f"if cu.args(&a, n, kw, &F[{index}], b): return NULL")
        if function.optional:
            w.line(f"n = {taken}")
    for line in body.arguments:
        w.line(line)
    for symbol, at in body.symbols():
        w.line(f"if T.{symbol} == NULL and cu.resolve(M.library, {at}): return NULL")
    for line in (*body.late, *body.outputs, *body.before):
        w.line(line)
    _call(w, body, target + body.call())
    for line in body.second_call:
        if line == CALL_AGAIN:
            with w.indented():
                _call(w, body, target + body.full_call())
        else:
            w.line(line)
    for line in body.after:
        w.line(line)
    _results(w, body)


def _call(w: Writer, body: Body, statement: str) -> None:
    if body.function.hold_gil:
        w.line(statement)
    else:
        w.line(f"with nogil: {statement}")
    for line in body.status_check():
        w.line(line)


def _release(body: Body) -> None:
    """A function that ends a callback's life: it is taken out before the call and put back where the call fails."""
    name = body.function.releases
    if name:
        body.declare("cu_callback *", "k_released")
        body.outputs.append(f"k_released = cu.callback_take(&M, <void *>c_{name})")
        body.cleanup.append(f"cu.callback_keep(k_released, &M, CU_KEEP_KEY, <void *>c_{name})")
        body.cleanup.append("cu_drop(k_released)")
        body.after.append("cu_drop(k_released)")
        body.after.append(f"cu.frame_release(&M, <void *>c_{name})")


def _results(w: Writer, body: Body) -> None:
    results = body.all_results()
    if not results:
        w.line("return cu_none()")
    elif len(results) == 1:
        w.line(f"return {results[0]}")
    else:
        w.line(f"cdef PyObject *o[{len(results)}]")
        for i, expression in enumerate(results):
            w.line(f"o[{i}] = {expression}")
        w.line(f"return cu.tuple({len(results)}, o)")
