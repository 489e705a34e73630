/* device.h by CUDA's run-time library. */
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/die.h"
#include "filters/infer-checkpoint/cuda/device.h"

enum { LEAST_CAPABILITY = 75 };

struct device {
	int number;
	cudaStream_t stream[LANES];
	cudaEvent_t mark[DEVICE_MARKS], order[LANES], timer[2];
};
struct recording { cudaGraphExec_t graph; };

/* True, or fail()s with what CUDA says. */
static bool done(cudaError_t e, const char *what)
{
	return e == cudaSuccess || fail(XDEVICE, "the GPU cannot %s: %s", what, cudaGetErrorString(e));
}

const char *device_probe(int number)
{
	static char why[320];
	struct cudaDeviceProp p;
	int driver = 0, runtime = 0, count = 0;
	cudaError_t e;

	cudaRuntimeGetVersion(&runtime);
	if (cudaDriverGetVersion(&driver) != cudaSuccess || !driver)
		return "there is no NVIDIA driver";
	e = cudaGetDeviceCount(&count);
	if (e == cudaErrorInsufficientDriver)
		snprintf(why, sizeof why, "the NVIDIA driver knows CUDA up to %d.%d, this program was built with %d.%d", driver / 1000,
		         driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
	else if (e == cudaErrorNoDevice || (e == cudaSuccess && !count))
		return "there is no NVIDIA GPU";
	else if (e != cudaSuccess)
		snprintf(why, sizeof why, "the NVIDIA driver: %s", cudaGetErrorString(e));
	else if (number >= count)
		snprintf(why, sizeof why, "there is no GPU %d; %d are here, counted from 0", number, count);
	else if ((e = cudaGetDeviceProperties(&p, number)) != cudaSuccess)
		snprintf(why, sizeof why, "GPU %d: %s", number, cudaGetErrorString(e));
	else if (10 * p.major + p.minor < LEAST_CAPABILITY)
		snprintf(why, sizeof why, "%s has compute capability %d.%d, %d.%d is needed", p.name, p.major, p.minor, LEAST_CAPABILITY / 10,
		         LEAST_CAPABILITY % 10);
	else
		return NULL;
	return why;
}

struct device *device_open(int number)
{
	struct device *d = xcalloc(1, sizeof *d);
	bool ok = done(cudaSetDevice(number), "be chosen");

	d->number = number;
	for (int i = 0; i < LANES && ok; i++)
		ok = done(cudaStreamCreateWithFlags(&d->stream[i], cudaStreamNonBlocking), "make a stream") &&
		     done(cudaEventCreateWithFlags(&d->order[i], cudaEventDisableTiming), "make an event");
	for (int i = 0; i < DEVICE_MARKS && ok; i++)
		ok = done(cudaEventCreateWithFlags(&d->mark[i], cudaEventDisableTiming), "make an event");
	for (int i = 0; i < 2 && ok; i++)
		ok = done(cudaEventCreate(&d->timer[i]), "make an event");
	if (ok)
		return d;
	device_close(d);
	return NULL;
}

void device_close(struct device *d)
{
	for (int i = 0; i < LANES; i++) {
		if (d->stream[i])
			cudaStreamDestroy(d->stream[i]);
		if (d->order[i])
			cudaEventDestroy(d->order[i]);
	}
	for (int i = 0; i < DEVICE_MARKS; i++)
		if (d->mark[i])
			cudaEventDestroy(d->mark[i]);
	for (int i = 0; i < 2; i++)
		if (d->timer[i])
			cudaEventDestroy(d->timer[i]);
	free(d);
}

void device_facts(struct device_facts *f, const struct device *d)
{
	struct cudaDeviceProp p = {0};

	*f = (struct device_facts){0};
	if (cudaGetDeviceProperties(&p, d->number) == cudaSuccess) {
		snprintf(f->name, sizeof f->name, "%.127s", p.name);
		f->capability = 10 * p.major + p.minor;
		f->processors = p.multiProcessorCount;
	}
	cudaDriverGetVersion(&f->driver);
	cudaRuntimeGetVersion(&f->runtime);
	cudaMemGetInfo(&f->unused, &f->memory);
}

void *device_alloc(struct device *d, size_t bytes)
{
	struct device_facts f;
	void *p = NULL;
	cudaError_t e = cudaMalloc(&p, bytes);

	if (e == cudaSuccess)
		return p;
	cudaGetLastError();             /* it is told here, not to who asks next */
	device_facts(&f, d);
	if (e == cudaErrorMemoryAllocation)
		fail(XDEVICE, "%zu MiB were wanted on %s, of which %zu MiB of %zu MiB are free", bytes >> 20, f.name, f.unused >> 20, f.memory >> 20);
	else
		done(e, "give memory");
	return NULL;
}

void device_free(struct device *d, void *p)
{
	(void)d;
	if (p)
		cudaFree(p);
}

void *device_alloc_host(struct device *d, size_t bytes)
{
	void *p = NULL;
	cudaError_t e = cudaHostAlloc(&p, bytes, cudaHostAllocDefault);

	(void)d;
	if (e == cudaSuccess)
		return p;
	cudaGetLastError();
	fail(XDEVICE, "%zu MiB of the host's memory cannot be given to the GPU: %s", bytes >> 20, cudaGetErrorString(e));
	return NULL;
}

void device_free_host(struct device *d, void *p)
{
	(void)d;
	if (p)
		cudaFreeHost(p);
}

void *device_stream(struct device *d, enum lane lane) { return d->stream[lane]; }

static bool copy(struct device *d, enum lane lane, void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
	return done(cudaMemcpyAsync(to, from, bytes, kind, d->stream[lane]), "copy");
}

bool device_up(struct device *d, enum lane lane, void *to, const void *from, size_t bytes)
{
	return copy(d, lane, to, from, bytes, cudaMemcpyHostToDevice);
}

bool device_down(struct device *d, enum lane lane, void *to, const void *from, size_t bytes)
{
	return copy(d, lane, to, from, bytes, cudaMemcpyDeviceToHost);
}

bool device_move(struct device *d, enum lane lane, void *to, const void *from, size_t bytes)
{
	return copy(d, lane, to, from, bytes, cudaMemcpyDeviceToDevice);
}

bool device_zero(struct device *d, enum lane lane, void *p, size_t bytes)
{
	return done(cudaMemsetAsync(p, 0, bytes, d->stream[lane]), "set memory to 0");
}

bool device_order(struct device *d, enum lane after, enum lane before)
{
	return done(cudaEventRecord(d->order[before], d->stream[before]), "note what it has been given") &&
	       done(cudaStreamWaitEvent(d->stream[after], d->order[before], 0), "wait for itself");
}

bool device_mark(struct device *d, enum lane lane, int mark)
{
	return done(cudaEventRecord(d->mark[mark], d->stream[lane]), "note what it has been given");
}

bool device_wait(struct device *d, int mark)
{
	bool ok = mark < 0 || done(cudaEventSynchronize(d->mark[mark]), "do its work");

	for (int i = 0; i < LANES && mark < 0 && ok; i++)
		ok = done(cudaStreamSynchronize(d->stream[i]), "do its work");
	return ok;
}

bool device_record_begin(struct device *d)
{
	return done(cudaStreamBeginCapture(d->stream[LANE_COMPUTE], cudaStreamCaptureModeThreadLocal), "record its work");
}

struct recording *device_record_end(struct device *d)
{
	struct recording *r = NULL;
	cudaGraph_t graph = NULL;
	cudaGraphExec_t exec;

	if (done(cudaStreamEndCapture(d->stream[LANE_COMPUTE], &graph), "record its work") &&
	    done(cudaGraphInstantiateWithFlags(&exec, graph, 0), "prepare recorded work")) {
		r = xcalloc(1, sizeof *r);
		r->graph = exec;
	}
	if (graph)
		cudaGraphDestroy(graph);
	return r;
}

bool device_replay(struct device *d, struct recording *r)
{
	return done(cudaGraphLaunch(r->graph, d->stream[LANE_COMPUTE]), "repeat recorded work");
}

bool device_time(double *seconds, struct device *d, struct recording *r, int times)
{
	float least = 0, ms;

	for (int i = 0; i < times; i++) {
		if (!done(cudaEventRecord(d->timer[0], d->stream[LANE_COMPUTE]), "be timed") || !device_replay(d, r) ||
		    !done(cudaEventRecord(d->timer[1], d->stream[LANE_COMPUTE]), "be timed") ||
		    !done(cudaEventSynchronize(d->timer[1]), "do its work") ||
		    !done(cudaEventElapsedTime(&ms, d->timer[0], d->timer[1]), "be timed"))
			return false;
		least = i == 0 || ms < least ? ms : least;
	}
	*seconds = (double)least * 1e-3;
	return true;
}

void device_recording_free(struct recording *r)
{
	cudaGraphExecDestroy(r->graph);
	free(r);
}
