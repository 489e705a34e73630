#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/as_coded.h"
#include "common/die.h"
#include "common/welch.h"

bool coded_begin(struct coded *c, int64_t channels, bool sigmoid, size_t voxels)
{
	if (channels < 2 || sigmoid)
		return fail(XDATA, "UnnUNet's code (--as-coded) needs probabilities of two or more classes, not of regions");
	coded_free(c);
	c->channels = channels;
	c->voxels = voxels;
	c->sum = xcalloc(voxels, (size_t)channels * sizeof *c->sum);
	return true;
}

void coded_free(struct coded *c)
{
	for (int i = 0; i < c->members; i++)
		free(c->two[i]);
	free(c->two);
	free(c->sum);
	*c = (struct coded){0};
}

void coded_add(struct coded *c, const float *probs)
{
	size_t n = (size_t)c->channels * c->voxels, two = 2 * c->voxels;

	if (c->members == c->room)
		c->two = xrealloc(c->two, (size_t)(c->room = c->room ? 2 * c->room : 16), sizeof *c->two);
	c->two[c->members] = xmalloc(two, sizeof **c->two);
	memcpy(c->two[c->members++], probs, two * sizeof **c->two);
	for (size_t i = 0; i < n; i++)
		c->sum[i] += probs[i];
}

void coded_mean(float *out, const struct coded *c)
{
	size_t n = (size_t)c->channels * c->voxels;

	for (size_t i = 0; i < n; i++)
		out[i] = c->sum[i] / (float)c->members;
}

void coded_total_entropy(float *out, const struct coded *c)
{
	for (size_t v = 0; v < c->voxels; v++) {
		float h = 0;
		for (int m = 0; m < c->members; m++)
			h += c->two[m][v] * logf(c->two[m][v]);
		out[v] = -h;
	}
}

void coded_t_test(float *out, const struct coded *c)
{
	float n = (float)c->members;

	for (size_t v = 0; v < c->voxels; v++) {
		float mean[2], variance[2];
		for (int g = 0; g < 2; g++) {
			float sum = 0, square = 0;
			for (int m = 0; m < c->members; m++)
				sum += c->two[m][(size_t)g * c->voxels + v];
			mean[g] = sum / n;
			for (int m = 0; m < c->members; m++) {
				float d = c->two[m][(size_t)g * c->voxels + v] - mean[g];
				square += d * d;
			}
			variance[g] = square / (n - 1);
		}
		out[v] = (float)welch_p((double)(mean[0] - mean[1]), (double)variance[0], (double)variance[1], c->members);
	}
}

void coded_class_entropy(float *out, const float *probs, size_t voxels)
{
	const float *p0 = probs, *p1 = probs + voxels;

	for (size_t v = 0; v < voxels; v++)
		out[v] = -(p1[v] * log2f(p1[v]) + p0[v] * log2f(p0[v]));
}

/* NumPy's order of summation in fp32: eight partial sums in blocks of 128, blocks in a tree. */
static float pairwise(const float *x, size_t n)
{
	size_t i;

	if (n < 8) {
		float s = 0;
		for (i = 0; i < n; i++)
			s += x[i];
		return s;
	}
	if (n <= 128) {
		float r[8], s;
		memcpy(r, x, sizeof r);
		for (i = 8; i + 8 <= n; i += 8)
			for (int k = 0; k < 8; k++)
				r[k] += x[i + (size_t)k];
		s = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
		for (; i < n; i++)
			s += x[i];
		return s;
	}
	i = n / 2 - n / 2 % 8;
	return pairwise(x, i) + pairwise(x + i, n - i);
}

double coded_score(const float *map, size_t voxels, int64_t contour_voxels)
{
	return 100 * ((double)pairwise(map, voxels) / (255.0 * (double)contour_voxels));
}

double coded_dice(const unsigned char *mask, const float *label, size_t voxels)
{
	double both = 0, sum = 0;

	for (size_t v = 0; v < voxels; v++) {
		both += mask[v] ? (double)label[v] : 0;
		sum += (double)mask[v] + (double)label[v];
	}
	return 2 * both / sum;
}

double coded_rate(int epoch, int epochs, int cycles, double gamma, double rate, double restart)
{
	int length = epochs / cycles, t = epoch % length, plateau = (int)(gamma * length);

	if (cycles == 1)
		return restart * pow(1 - (double)epoch / epochs, 0.9);
	return t == 0 ? restart : rate * pow(1 - (double)(t < plateau ? t : plateau) / epochs, 0.9);
}

bool coded_keeps_late(int epoch, int epochs, int cycles)
{
	int length = epochs / cycles;

	return (epoch + 1) % length >= length - 10;
}

bool coded_keeps_sparse(int epoch, int epochs, int cycles)
{
	int length = epochs / cycles, first = (int)(0.7 * (length - 10)), t = (epoch + 1) % length;
	double step = (epochs + 1 - first) / 6.0;

	for (int i = 0; i < 7; i++)
		if (t == (int)floor(i < 6 ? first + i * step : epochs + 1.0))
			return true;
	return false;
}
