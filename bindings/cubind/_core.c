/* The extension module cubind._core: one table of functions for the generated modules, behind a capsule. */
#include "_impl.h"

const struct cu_api cubind_api = {
    .size = sizeof(struct cu_api),
    .int_words = &cubind_int_words,
    .module_init = cubind_module_init,
    .library = cubind_library,
    .library_slot = cubind_library_slot,
    .resolve = cubind_resolve,
    .resolve_nogil = cubind_resolve_nogil,
    .args = cubind_args,
    .bad_arg = cubind_bad_arg,
    .raise = cubind_raise,
    .overflow = cubind_overflow,
    .index = cubind_index,
    .handle_slow = cubind_handle_slow,
    .pointer = cubind_pointer,
    .string = cubind_string,
    .record_arg = cubind_record_arg,
    .array = cubind_array,
    .count = cubind_count,
    .store = cubind_store,
    .load = cubind_load,
    .list = cubind_list,
    .sizeof_type = cubind_sizeof_type,
    .new_handle = cubind_new_handle,
    .enum_member = cubind_enum_member,
    .record_type = cubind_record_type,
    .new_record = cubind_new_record,
    .cstring = cubind_cstring,
    .text = cubind_text,
    .tuple = cubind_tuple,
    .frame_alloc = cubind_frame_alloc,
    .frame_keep = cubind_frame_keep,
    .frame_end = cubind_frame_end,
    .kernel_params = cubind_kernel_params,
    .callback_arg = cubind_callback_arg,
    .callback_keep = cubind_callback_keep,
    .callback_drop = cubind_callback_drop,
    .callback_release = cubind_callback_release,
    .callback_enter = cubind_callback_enter,
    .callback_current = cubind_callback_current,
    .callback_take = cubind_callback_take,
    .callback_keep_user = cubind_callback_keep_user,
    .tagged_room = cubind_tagged_room,
    .tagged_from = cubind_tagged_from,
    .tagged_value = cubind_tagged_value,
    .tagged_array_room = cubind_tagged_array_room,
    .tagged_array_value = cubind_tagged_array_value,
    .record_keep = cubind_record_keep,
    .note = cubind_note,
    .frame_new = cubind_frame_new,
    .frame_hold = cubind_frame_hold,
    .frame_release = cubind_frame_release,
    .array_back = cubind_array_back,
};

/* Libraries, classes and callbacks are the process's: a second interpreter would share objects with the first. */
static int refuse_subinterpreters(void) {
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) == 0) return 0;
    PyErr_SetString(PyExc_ImportError, "cubind works in the main interpreter only, not in a subinterpreter");
    return -1;
}

static int core_exec(PyObject *core) {
    if (refuse_subinterpreters()) return -1;
    if (cubind_layout_ready() || cubind_errors_ready(core) || cubind_handles_ready(core) || cubind_enums_ready(core) ||
        cubind_records_ready(core) || cubind_loader_ready(core) || cubind_callbacks_ready(core))
        return -1;
    PyObject *capsule = PyCapsule_New((void *)&cubind_api, "cubind._core._api", NULL);
    if (!capsule) return -1;
    int failed = PyModule_AddObjectRef(core, "_api", capsule);
    Py_DECREF(capsule);
    return failed;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, core_exec},
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_USED}, /* the GIL guards the core's tables: free-threaded builds switch it on */
#endif
    {0, NULL},
};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "cubind._core",
    .m_doc = "The hand-written core that the generated modules share.  Private.",
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__core(void) {
    return PyModuleDef_Init(&definition);
}
