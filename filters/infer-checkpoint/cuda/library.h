/* library: cuDNN's functions, of a library that is opened when it is first needed. */
#ifndef CUDA_LIBRARY_H
#define CUDA_LIBRARY_H
#include <cudnn.h>
#include <stdbool.h>

#define CUDNN_FUNCTIONS(F) F(cudnnGetVersion) F(cudnnGetErrorString) F(cudnnGetLastErrorString) F(cudnnCreate) F(cudnnDestroy) \
	F(cudnnSetStream) F(cudnnBackendCreateDescriptor) F(cudnnBackendDestroyDescriptor) F(cudnnBackendSetAttribute) \
	F(cudnnBackendGetAttribute) F(cudnnBackendFinalize) F(cudnnBackendExecute)

/* By their names. */
extern struct library {
#define F(name) __typeof__(&name) name;
	CUDNN_FUNCTIONS(F)
#undef F
} dnn;

/* Before the first call.  libcudnn.so.9 is looked for where the system's loader looks (LD_LIBRARY_PATH first), in the toolkit, in the
 * active Python environment ($VIRTUAL_ENV, $CONDA_PREFIX) and in Python's packages in /usr/local/lib.  fail()s XDEVICE. */
bool library_open(void);
#endif
