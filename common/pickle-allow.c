#include <string.h>
#include "common/pickle-allow.h"

static const struct pickle_allowed known[] = {
	{ "collections", "OrderedDict", GLOBAL_ORDERED_DICT, DT_NONE },
	{ "torch._utils", "_rebuild_tensor", GLOBAL_REBUILD_TENSOR, DT_NONE },
	{ "torch._utils", "_rebuild_tensor_v2", GLOBAL_REBUILD_TENSOR_V2, DT_NONE },
	{ "torch._utils", "_rebuild_parameter", GLOBAL_REBUILD_PARAMETER, DT_NONE },
	{ "torch", "FloatStorage", GLOBAL_STORAGE, DT_F4 },
	{ "torch", "HalfStorage", GLOBAL_STORAGE, DT_F2 },
	{ "torch", "BFloat16Storage", GLOBAL_STORAGE, DT_BF2 },
	{ "torch", "DoubleStorage", GLOBAL_STORAGE, DT_F8 },
	{ "torch", "LongStorage", GLOBAL_STORAGE, DT_I8 },
	{ "torch", "IntStorage", GLOBAL_STORAGE, DT_I4 },
	{ "torch", "ShortStorage", GLOBAL_STORAGE, DT_I2 },
	{ "torch", "CharStorage", GLOBAL_STORAGE, DT_I1 },
	{ "torch", "ByteStorage", GLOBAL_STORAGE, DT_U1 },
	{ "torch", "BoolStorage", GLOBAL_STORAGE, DT_BOOL },
	{ "torch", "device", GLOBAL_DEVICE, DT_NONE },
	{ "numpy.core.multiarray", "scalar", GLOBAL_NUMPY_SCALAR, DT_NONE },
	{ "numpy._core.multiarray", "scalar", GLOBAL_NUMPY_SCALAR, DT_NONE },
	{ "numpy.core.multiarray", "_reconstruct", GLOBAL_NUMPY_RECONSTRUCT, DT_NONE },
	{ "numpy._core.multiarray", "_reconstruct", GLOBAL_NUMPY_RECONSTRUCT, DT_NONE },
	{ "numpy.core.numeric", "_frombuffer", GLOBAL_NUMPY_FROMBUFFER, DT_NONE },
	{ "numpy._core.numeric", "_frombuffer", GLOBAL_NUMPY_FROMBUFFER, DT_NONE },
	{ "numpy", "dtype", GLOBAL_NUMPY_DTYPE, DT_NONE },
	{ "numpy", "ndarray", GLOBAL_NUMPY_NDARRAY, DT_NONE },
	{ "_codecs", "encode", GLOBAL_ENCODE, DT_NONE },
	{ "pathlib", "PosixPath", GLOBAL_PATH, DT_NONE },
	{ "pathlib._local", "PosixPath", GLOBAL_PATH, DT_NONE },
};

/* Opcodes of Python that have no place in the files read here, for the message. */
static const struct { unsigned char code; const char *name; } refused[] = {
	{ 'F', "FLOAT" }, { 'I', "INT" }, { 'L', "LONG" }, { 'P', "PERSID" }, { 'S', "STRING" }, { 'T', "BINSTRING" },
	{ 'U', "SHORT_BINSTRING" }, { 'V', "UNICODE" }, { 'd', "DICT" }, { 'g', "GET" }, { 'i', "INST" }, { 'l', "LIST" },
	{ 'o', "OBJ" }, { 'p', "PUT" }, { 0x82, "EXT1" }, { 0x83, "EXT2" }, { 0x84, "EXT4" }, { 0x8b, "LONG4" },
	{ 0x8f, "EMPTY_SET" }, { 0x90, "ADDITEMS" }, { 0x91, "FROZENSET" }, { 0x92, "NEWOBJ_EX" }, { 0x97, "NEXT_BUFFER" },
	{ 0x98, "READONLY_BUFFER" },
};

bool pickle_named(const struct pickle_allowed *a, const char *module, size_t module_length, const char *name, size_t name_length)
{
	return strlen(a->module) == module_length && !memcmp(a->module, module, module_length) &&
	       strlen(a->name) == name_length && !memcmp(a->name, name, name_length);
}

const struct pickle_allowed *pickle_allowed(const char *module, size_t module_length, const char *name, size_t name_length)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (pickle_named(&known[i], module, module_length, name, name_length))
			return &known[i];
	return NULL;
}

const char *pickle_opcode(unsigned char code)
{
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (refused[i].code == code)
			return refused[i].name;
	return NULL;
}
