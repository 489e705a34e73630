#include <math.h>
#include "common/as_coded.h"
#include "filters/train-checkpoints/schedule.h"

/* T_c epochs a cycle, t_c within it: restart rate at t_c = 0, then rate (1 - min(t_c, floor(gamma T_c)) / T_c)^0.9.
 * One cycle is nnU-Net's PolyLRScheduler: rate (1 - t / T)^0.9. */
double schedule_rate(const struct schedule *s, int epoch)
{
	int length = s->epochs / s->cycles, t = epoch % length, plateau = (int)(s->gamma * length);

	if (s->as_coded)
		return coded_rate(epoch, s->epochs, s->cycles, s->gamma, s->rate, s->restart_rate);
	if (s->cycles == 1)
		return s->rate * pow(1 - (double)epoch / s->epochs, 0.9);
	if (t == 0)
		return s->restart_rate;
	return s->rate * pow(1 - (double)(t < plateau ? t : plateau) / length, 0.9);
}
