#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "common/die.h"
#include "common/image.h"
#include "common/io.h"
#include "common/jsonfile.h"
#include "common/nifti.h"
#include "common/training-set.h"

static bool is_folder(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static bool starts(const char *s, const char *with) { return !strncmp(s, with, strlen(with)); }
static bool ends(const char *s, const char *with)
{
	size_t n = strlen(s), m = strlen(with);

	return n >= m && !strcmp(s + n - m, with);
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

/* ---- folders ---- */

/* Whether a folder's name is the data set of that number, or of that name without its number. */
static bool is_asked(const char *folder, const char *asked)
{
	size_t digits = 0;

	if (!starts(folder, "Dataset"))
		return false;
	folder += strlen("Dataset");
	while (isdigit((unsigned char)folder[digits]))
		digits++;
	if (digits < 3 || folder[digits] != '_')
		return false;
	if (asked[strspn(asked, "0123456789")])
		return !strcmp(folder + digits + 1, asked);
	return strtoul(folder, NULL, 10) == strtoul(asked, NULL, 10);
}

/* Path of the one data set in `root` that is asked for; NULL after fail(). */
static char *look_up(const char *root, const char *asked)
{
	char *found = xasprintf("%s/%s", root, asked), *first = NULL;
	struct dirent **entry;
	int n, matches = 0;

	if (is_folder(found))
		return found;
	free(found);
	n = scandir(root, &entry, NULL, by_name);
	if (n < 0) {
		fail_sys("cannot read folder %s (nnUNet_raw)", root);
		return NULL;
	}
	for (int i = 0; i < n; i++) {
		if (is_asked(entry[i]->d_name, asked) && matches++ == 0)
			first = xasprintf("%s/%s", root, entry[i]->d_name);
		free(entry[i]);
	}
	free(entry);
	if (matches == 1)
		return first;
	free(first);
	if (matches)
		fail(XDATA, "%d data sets in %s are called '%s'", matches, root, asked);
	else
		fail(XDATA, "no data set in %s (nnUNet_raw) is called '%s'", root, asked);
	return NULL;
}

static char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? xstrdup(value) : NULL;
}

/* The last name of a folder's path, that of "." included; NULL with errno set. */
static char *folder_name(const char *path)
{
	size_t end = strlen(path), n;
	char *whole, *name;

	while (end > 1 && path[end - 1] == '/')
		end--;
	for (n = end; n > 0 && path[n - 1] != '/';)
		n--;
	if (end - n > 0 && !(path[n] == '.' && (end - n == 1 || (end - n == 2 && path[n + 1] == '.'))))
		return xasprintf("%.*s", (int)(end - n), path + n);
	whole = realpath(path, NULL);
	name = whole ? xstrdup(strrchr(whole, '/') + 1) : NULL;
	free(whole);
	return name;
}

static bool find_folders(struct training_set *s, const char *dataset, const char *preprocessed)
{
	char *root = strchr(dataset, '/') ? NULL : environment("nnUNet_raw"), *out;

	if (root)
		s->raw = look_up(root, dataset);
	else if (strchr(dataset, '/') || is_folder(dataset))
		s->raw = xstrdup(dataset);
	else
		fail(XUSAGE, "'%s' is no folder, and the environment variable nnUNet_raw, the folder of data sets, is not set",
		     dataset);
	free(root);
	if (!s->raw)
		return false;
	s->name = folder_name(s->raw);
	if (!s->name)
		return fail_sys("cannot open folder %s", s->raw);
	out = environment("nnUNet_preprocessed");
	if (preprocessed)
		s->preprocessed = xstrdup(preprocessed);
	else if (out)
		s->preprocessed = xasprintf("%s/%s", out, s->name);
	free(out);
	return true;
}

bool training_set_make_folder(const struct training_set *s)
{
	if (!s->preprocessed)
		return fail(XUSAGE, "where to write is not known: -o FOLDER names it, or the environment variable nnUNet_preprocessed");
	return io_mkdirs(s->preprocessed);
}

static bool read_counts(struct training_set *s, const struct json *top)
{
	struct json v;

	if (!json_get(&v, top, "numTraining") || !json_int(&s->n_training, &v, 1, INT_MAX) || !json_get(&v, top, "labels"))
		return false;
	s->n_labels = json_object_object_length(v.o);
	return true;
}

bool training_set_open(struct training_set *s, const char *dataset, const char *preprocessed)
{
	struct json top;
	bool ok;

	*s = (struct training_set){ .dataset.labels.ignore = -1 };
	if (!find_folders(s, dataset, preprocessed)) {
		training_set_free(s);
		return false;
	}
	s->dataset_json = xasprintf("%s/dataset.json", s->raw);
	ok = dataset_read(&s->dataset, s->dataset_json) && json_read(&top, s->dataset_json);
	if (ok) {
		ok = read_counts(s, &top);
		json_free(&top);
	}
	if (!ok)
		training_set_free(s);
	return ok;
}

/* ---- cases ---- */

static struct training_case *add_case(struct training_set *s, const char *name, size_t n)
{
	s->c = xrealloc(s->c, (size_t)s->n + 1, sizeof *s->c);
	s->c[s->n] = (struct training_case){ .name = xasprintf("%.*s", (int)n, name) };
	return &s->c[s->n++];
}

static void add_image(struct training_case *c, char *path)
{
	c->image = xrealloc(c->image, (size_t)c->n_images + 1, sizeof *c->image);
	c->image[c->n_images++] = path;
}

/* The end of a file's name: of imagesTr, in nnU-Net's eyes, when it is _XXXX and the ending. */
static bool has_channel(const char *name, const char *ending)
{
	size_t n = strlen(name), m = strlen(ending) + 5;

	if (n <= m || !ends(name, ending) || name[n - m] != '_')
		return false;
	for (size_t i = n - m + 1; i < n - m + 5; i++)
		if (!isdigit((unsigned char)name[i]))
			return false;
	return true;
}

/* Sorted by case, then by channel: "a-b_0000" comes after "a_0000". */
static int by_case(const struct dirent **a, const struct dirent **b)
{
	const char *s = (*a)->d_name, *t = (*b)->d_name, *u = strrchr(s, '_'), *v = strrchr(t, '_');
	size_t n = u ? (size_t)(u - s) : strlen(s), m = v ? (size_t)(v - t) : strlen(t);
	int d = memcmp(s, t, n < m ? n : m);

	return d ? d : n != m ? (n < m ? -1 : 1) : strcmp(s, t);
}

static bool list_folder(struct training_set *s)
{
	const char *ending = s->dataset.file_ending;
	char *folder = xasprintf("%s/imagesTr", s->raw);
	struct dirent **entry;
	int n = scandir(folder, &entry, NULL, by_case);

	if (n < 0)
		fail_sys("cannot read folder %s", folder);
	for (int i = 0; i < n; i++) {
		const char *file = entry[i]->d_name;
		size_t length = strlen(file) - strlen(ending) - 5;
		if (has_channel(file, ending)) {
			struct training_case *c = s->n ? &s->c[s->n - 1] : NULL;
			if (!c || strlen(c->name) != length || memcmp(c->name, file, length)) {
				c = add_case(s, file, length);
				c->label = xasprintf("%s/labelsTr/%s%s", s->raw, c->name, ending);
			}
			add_image(c, xasprintf("%s/%s", folder, file));
		} else if (ends(file, ending) && file[0] != '.')
			warn("%s/%s is left out: its name has no channel, as in CASE_0000%s", folder, file, ending);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	if (n >= 0 && !s->n)
		fail(XDATA, "folder %s holds no image CASE_0000%s", folder, ending);
	free(folder);
	return s->n > 0;
}

/* A path of dataset.json: $NAME and ${NAME} replaced where they are set, relative ones in the data set's folder. */
static char *expanded(const char *path, const char *folder)
{
	char *out = xstrdup("");

	while (*path) {
		size_t n = strcspn(path, "$"), skip = 0, name = 0;
		char *variable = NULL, *more;
		if (path[n] == '$') {
			bool brace = path[n + 1] == '{';
			const char *at = path + n + 1 + brace;
			while (isalnum((unsigned char)at[name]) || at[name] == '_')
				name++;
			if (name && (!brace || at[name] == '}')) {
				char *key = xasprintf("%.*s", (int)name, at);
				variable = getenv(key);
				free(key);
			}
			skip = variable ? 1 + name + 2 * brace : 1;
		}
		more = xasprintf("%s%.*s%s", out, (int)(variable ? n : n + skip), path, variable ? variable : "");
		free(out);
		out = more;
		path += n + skip;
	}
	if (*out != '/') {
		char *whole = xasprintf("%s/%s", folder, out);
		free(out);
		out = whole;
	}
	return out;
}

static bool read_list(struct training_set *s, const struct json *list)
{
	if (!json_is_object(list))
		return false;
	json_object_object_foreach(list->o, name, value) {
		struct training_case *c = add_case(s, name, strlen(name));
		struct json entry, v, e;
		const char *text;
		(void)value;
		if (!json_get(&entry, list, name) || !json_get(&v, &entry, "label") || !(text = json_text(&v)))
			return false;
		c->label = expanded(text, s->raw);
		if (!json_get(&v, &entry, "images"))
			return false;
		for (int i = 0, n = json_length(&v, 1, MAX_CHANNELS); i < n || n < 0; i++) {
			if (n < 0 || !json_at(&e, &v, i) || !(text = json_text(&e)))
				return false;
			add_image(c, expanded(text, s->raw));
		}
	}
	return s->n || json_bad(list, "it lists no case");
}

bool training_set_cases(struct training_set *s)
{
	struct json top, list;
	bool ok;

	if (!json_read(&top, s->dataset_json))
		return false;
	ok = json_has(&top, "dataset") ? json_get(&list, &top, "dataset") && read_list(s, &list) : list_folder(s);
	json_free(&top);
	return ok;
}

void training_set_free(struct training_set *s)
{
	for (int i = 0; i < s->n; i++) {
		for (int k = 0; k < s->c[i].n_images; k++)
			free(s->c[i].image[k]);
		free(s->c[i].image);
		free(s->c[i].name);
		free(s->c[i].label);
	}
	free(s->c);
	free(s->name);
	free(s->raw);
	free(s->preprocessed);
	free(s->dataset_json);
	dataset_free(&s->dataset);
	*s = (struct training_set){ .dataset.labels.ignore = -1 };
}

/* ---- the reader ---- */

static const char *const readers[] = {
	"NaturalImage2DIO", "SimpleITKIO", "SimpleITKIOWithReorient", "Tiff3DIO", "NibabelIO", "NibabelIOWithReorient", NULL
};

/* What SimpleITK cannot read of .nii.gz: NIfTI-2, and axes that are not at right angles. */
static bool itk_refuses(const struct frame *f)
{
	struct nifti_2_header h;
	size_t n;
	double a[3][4];

	if (!nifti_source_header(&h, &n, f))
		return false;
	if (n != sizeof(struct nifti_1_header))
		return true;
	nifti_header_affine(a, &h, true);
	for (int j = 0; j < 3; j++) {
		double dot = 0, jj = 0, kk = 0;
		for (int i = 0, k = (j + 1) % 3; i < 3; i++) {
			dot += a[i][j] * a[i][k];
			jj += a[i][j] * a[i][j];
			kk += a[i][k] * a[i][k];
		}
		if (!(dot * dot < 1e-6 * jj * kk))
			return true;
	}
	return false;
}

/* The first image as a frame without layers; false where it cannot be read. */
static bool example(struct frame *f, const struct training_set *s)
{
	struct image im;

	if (!s->n || !s->c[0].n_images)
		return false;
	frame_reset(f, s->c[0].name);
	if (!image_read(&im, f->zone, s->c[0].image[0]))
		return false;
	frame_grid(f, im.shape, im.spacing_mm, 0);
	frame_put(f, "geometry", im.geometry);
	image_free(&im);
	return true;
}

const char *training_set_reader(const struct training_set *s)
{
	const char *asked = s->dataset.reader, *ending = s->dataset.file_ending, *reader = NULL;
	struct frame f = {0};

	for (int i = 0; asked && readers[i]; i++)
		if (!strcmp(asked, readers[i]))
			return readers[i];
	if (!strcasecmp(ending, ".png") || !strcasecmp(ending, ".bmp"))
		return "NaturalImage2DIO";
	if (!strcasecmp(ending, ".nrrd") || !strcasecmp(ending, ".mha"))
		return "SimpleITKIO";
	if (!strcasecmp(ending, ".tif"))
		reader = example(&f, s) && image_is_picture(&f) ? "NaturalImage2DIO" : "Tiff3DIO";
	else if (!strcasecmp(ending, ".tiff"))
		reader = "Tiff3DIO";
	else if (!strcasecmp(ending, ".nii.gz"))
		reader = example(&f, s) && itk_refuses(&f) ? "NibabelIO" : "SimpleITKIO";
	else if (!strcasecmp(ending, ".nii"))
		reader = "NibabelIO";
	else
		fail(XDATA, "%s: file_ending '%s' is that of no format that is read (.nii.gz, .png, ...)", s->dataset_json, ending);
	frame_free(&f);
	return reader;
}
