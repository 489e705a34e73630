/* device: memory, copies, streams and recorded work of one GPU.  device.c does it with CUDA's run-time library; the tests put
 * an imitation on the processor in its place.  Only device.c, kernels.cu, graph.c and library.c include headers of CUDA. */
#ifndef CUDA_DEVICE_H
#define CUDA_DEVICE_H
#include <stdbool.h>
#include <stddef.h>

struct device;
struct device_facts {
	char name[128];
	int capability;          /* 10 major + minor */
	int processors;          /* streaming multiprocessors */
	int driver, runtime;     /* as CUDA counts: 13000 is 13.0 */
	size_t memory, unused;   /* bytes */
};

/* NULL if the GPU of this number can be used, else why not. */
const char *device_probe(int number);
/* Each of the following that returns bool or a pointer fail()s XDEVICE: out of memory says how much was wanted and unused. */
struct device *device_open(int number);
void device_close(struct device *d);
void device_facts(struct device_facts *f, const struct device *d);
/* Aligned to 256 bytes; of the device, or of the host such that copies need no detour. */
void *device_alloc(struct device *d, size_t bytes);
void device_free(struct device *d, void *p);                      /* p may be NULL, as below; what uses it has been waited for */
void *device_alloc_host(struct device *d, size_t bytes);
void device_free_host(struct device *d, void *p);

/* Work is done in the order in which it is given to a lane.  COMPUTE runs kernels; UP and DOWN copy beside them. */
enum lane { LANE_COMPUTE, LANE_UP, LANE_DOWN, LANES };
void *device_stream(struct device *d, enum lane lane);          /* a cudaStream_t for kernels.h and convolve.h */
bool device_up(struct device *d, enum lane lane, void *to, const void *from, size_t bytes);     /* from: device_alloc_host() */
bool device_down(struct device *d, enum lane lane, void *to, const void *from, size_t bytes);   /* to: likewise */
bool device_move(struct device *d, enum lane lane, void *to, const void *from, size_t bytes);   /* on the device */
bool device_zero(struct device *d, enum lane lane, void *p, size_t bytes);
/* What `after` is given from now on waits for what `before` has been given so far. */
bool device_order(struct device *d, enum lane after, enum lane before);
/* A mark behind what the lane has been given so far; wait returns when it is done, at once where there was none.  mark < 0:
 * everything. */
bool device_mark(struct device *d, enum lane lane, int mark);   /* mark: 0 .. DEVICE_MARKS - 1, of all lanes together */
bool device_wait(struct device *d, int mark);
enum { DEVICE_MARKS = 16 };

/* What COMPUTE is given between begin and end is not done but recorded; it can be done any number of times. */
struct recording;
bool device_record_begin(struct device *d);
struct recording *device_record_end(struct device *d);
bool device_replay(struct device *d, struct recording *r);
/* Seconds that the device takes for it: the least of `times` replays, each by events around it. */
bool device_time(double *seconds, struct device *d, struct recording *r, int times);
void device_recording_free(struct recording *r);
#endif
