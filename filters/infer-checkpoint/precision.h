/* precision: in what a backend computes.  Sums, statistics of norms and what leaves a network are fp32 in all of them. */
#ifndef PRECISION_H
#define PRECISION_H

/* AUTO: what is best on the backend.  TF32 is stored as fp32, its products have 10 bits of mantissa. */
enum precision { PRECISION_AUTO, PRECISION_FP16, PRECISION_BF16, PRECISION_TF32, PRECISION_FP32 };
#endif
