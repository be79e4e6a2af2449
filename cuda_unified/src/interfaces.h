/* Between the files of the array interfaces. */
#pragma once
HIDDEN PyObject *interface_dict(array_object *a, const char *name);
/* The dict that an attribute is; NULL without an error: there is none. */
HIDDEN PyObject *interface_of(PyObject *o, const char *name);
/* Type, shape, strides, address and read-only flag of a dict; where `data` is an object, *data is it, else NULL. */
HIDDEN array_object *array_of_interface(PyObject *dict, const char *name, PyObject **data);
HIDDEN int import_stream(PyObject *argument, context_object *c, stream_object **out);
/* NULL without an error: the object has no such interface. */
HIDDEN PyObject *cuda_interface_import(PyObject *o, PyObject *stream);
HIDDEN PyObject *array_struct_import(PyObject *o);
HIDDEN PyObject *array_interface_import(PyObject *o);
HIDDEN PyObject *buffer_import(PyObject *o);
