#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"
#include "common/tsv.h"
#include "filters/train-checkpoints/train.h"

/* ---- the folder ---- */

static bool write_file(const char *path, const char *data, size_t n)
{
	struct outfile f;

	if (!outfile_open(&f, path))
		return false;
	if (io_write(f.fd, data, n))
		return outfile_commit(&f);
	fail_sys("cannot write %s", path);
	outfile_abort(&f);
	return false;
}

static bool copy(const struct training *t, const char *name, const char *as)
{
	char *from = xasprintf("%s/%s", t->preprocessed, name), *to = xasprintf("%s/%s", t->model, as), *data;
	size_t n;
	bool ok = io_slurp(from, memory_limit, &data, &n);

	if (ok) {
		ok = write_file(to, data, n);
		free(data);
	}
	free(from);
	free(to);
	return ok;
}

/* Removes checkpoints, or finds one: *found, its name, malloc'ed. */
static bool old_checkpoints(const struct training *t, bool clean, char **found)
{
	DIR *d = opendir(t->folder);
	bool ok = true;

	if (!d)
		return errno == ENOENT || fail_sys("cannot read folder %s", t->folder);
	for (struct dirent *e; ok && (e = readdir(d));) {
		char *path;
		if (fnmatch("checkpoint_*.pth", e->d_name, 0) && fnmatch("e_checkpoint_*.pth", e->d_name, 0))
			continue;
		path = xasprintf("%s/%s", t->folder, e->d_name);
		if (clean && unlink(path))
			ok = fail_sys("cannot remove %s", path);
		if (!clean && !*found)
			*found = xstrdup(e->d_name);
		free(path);
	}
	closedir(d);
	return ok;
}

bool training_claim(const struct training *t, bool clean, bool go_on)
{
	char *found = NULL, *plans = xasprintf("%s.json", t->plans), *fingerprint;
	bool ok = old_checkpoints(t, clean, &found);

	if (ok && found && !go_on)
		ok = fail(XDATA, "%s already holds %s: --continue goes on, --clean begins again", t->folder, found);
	free(found);
	ok = ok && io_mkdirs(t->folder) && copy(t, plans, "plans.json") && copy(t, "dataset.json", "dataset.json");
	fingerprint = xasprintf("%s/dataset_fingerprint.json", t->preprocessed);
	if (ok && !access(fingerprint, F_OK))
		ok = copy(t, "dataset_fingerprint.json", "dataset_fingerprint.json");
	free(fingerprint);
	free(plans);
	return ok;
}

/* ---- after an epoch ---- */

static void put_row(FILE *f, const struct training *t, int i)
{
	const struct training_epoch *e = &t->state.log.epoch[i];
	int length = t->schedule.epochs / t->schedule.cycles, kept = keep_epoch(&t->keep, i);

	fprintf(f, "%d\t%d", i, i / length);
	tsv_put(f, e->rate);
	tsv_put(f, e->train_loss);
	tsv_put(f, e->val_loss);
	tsv_put(f, e->mean_dice);
	tsv_put(f, e->ema_dice);
	for (int k = 0; k < t->state.log.n_structures; k++)
		tsv_put(f, e->dice[k]);
	fprintf(f, "\t%d", kept != 0);
	tsv_put_digits(f, e->end_s - e->begin_s, 4);
	putc('\n', f);
}

static bool write_table(const struct training *t)
{
	char *path = xasprintf("%s/training_log.tsv", t->folder), *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	bool ok;

	if (!f)
		die(XIO, "out of memory");
	fputs("epoch\tcycle\trate\ttrain_loss\tval_loss\tpseudo_dice\tema_dice", f);
	for (int k = 0; k < t->state.log.n_structures; k++)
		fprintf(f, "\tpseudo_dice:%s", labels_structure(&t->dataset.labels, k)->name);
	fputs("\tkept\tseconds\n", f);
	for (int i = 0; i < t->state.log.n; i++)
		put_row(f, t, i);
	if (fclose(f))
		die(XIO, "out of memory");
	ok = write_file(path, text, n);
	free(text);
	free(path);
	return ok;
}

static bool save(const struct training *t, char *name)
{
	char *path = xasprintf("%s/%s", t->folder, name);
	bool ok = training_state_write(path, &t->state);

	free(path);
	free(name);
	return ok;
}

bool training_save_latest(const struct training *t) { return save(t, xstrdup("checkpoint_latest.pth")); }

bool training_save(const struct training *t, bool best)
{
	int done = t->state.epoch, kept = keep_epoch(&t->keep, done - 1);
	char *latest;

	if ((best && !save(t, xstrdup("checkpoint_best.pth"))) ||
	    ((kept & KEPT) && !save(t, xasprintf("checkpoint_%d.pth", done - 1))) ||
	    ((kept & KEPT_APART) && !save(t, xasprintf("e_checkpoint_%d.pth", done - 1))) || !write_table(t))
		return false;
	if (done < t->schedule.epochs)
		return done % t->save_every || training_save_latest(t);
	if (!save(t, xstrdup("checkpoint_final.pth")))
		return false;
	latest = xasprintf("%s/checkpoint_latest.pth", t->folder);
	if (unlink(latest) && errno != ENOENT)
		fail_sys("cannot remove %s", latest);
	free(latest);
	return true;
}
