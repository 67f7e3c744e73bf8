/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onefold-mksample: writes a realistic sample to try things on. A base and its fine-tunes, shaped
 * like a Llama checkpoint: sharded bf16 safetensors with index, config and tokenizer files. The
 * same options give the same bytes on every machine; memory stays constant whatever the size.
 */
#include <onefold/onefold.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_DONE = 0, EXIT_USAGE = 2, EXIT_IO = 5 };
enum { TUNES_MAX = 1000, NAME_MAX_BYTES = 128, TENSORS_PER_LAYER = 9, LOOSE_TENSORS = 3 };
/* What is generated and written at a time. */
enum { CHUNK_ELEMS = 512 * 1024 };
/* Data starts aligned, as a fresh save by the reference writers does not, but any reader accepts.
 */
enum { HEADER_ALIGN = 8 };
#define SIZE_DEFAULT     UINT64_C(200000000)
#define SHARD_BYTES_MAX  UINT64_C(5000000000)
#define HEADER_BYTES_MAX UINT64_C(64000000)

struct options {
    const char *folder;
    uint64_t size_bytes;  /* of all models together, about */
    uint64_t shard_bytes; /* 0 = a third of a model, at most SHARD_BYTES_MAX */
    uint64_t seed;
    uint32_t tune_count;
    bool sparse;
    bool force;
    bool quiet;
};

/* The numbers of config.json, chosen for a wanted size. */
struct shape {
    uint64_t vocab;
    uint64_t hidden;
    uint64_t inner;
    uint64_t heads;
    uint64_t kv_heads;
    uint64_t layers;
};

struct tensor {
    char name[NAME_MAX_BYTES];
    uint64_t rows;
    uint64_t columns; /* 0: a vector of `rows` */
    uint64_t number;  /* in model order; the random numbers depend on it, not on the file */
    uint64_t shard;
    bool is_norm;
};

struct model {
    struct shape shape;
    struct tensor *tensors; /* by shard, then name, as the reference writer lays a shard out */
    uint64_t tensor_count;
    uint64_t shard_count;
};

__attribute__((noreturn, format(printf, 2, 3))) static void die(int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("onefold-mksample: error: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(code);
}

static uint64_t tensor_elems(const struct tensor *tensor)
{
    return tensor->rows * (tensor->columns == 0 ? 1 : tensor->columns);
}

/* --- Shape --- */

static uint64_t layer_elems(const struct shape *shape)
{
    const uint64_t kv = shape->hidden / shape->heads * shape->kv_heads;

    return 2 * shape->hidden * shape->hidden + 2 * shape->hidden * kv +
           3 * shape->hidden * shape->inner + 2 * shape->hidden;
}

/* The widths of well-known sizes; the number of layers then fits the wanted size. */
static struct shape choose_shape(uint64_t model_bytes)
{
    static const struct shape widths[] = {
        {512, 64, 176, 4, 2, 0},        {2048, 256, 688, 4, 2, 0},
        {8192, 512, 1376, 8, 4, 0},     {16000, 1024, 2816, 16, 8, 0},
        {32000, 2048, 5632, 32, 8, 0},  {32000, 4096, 11008, 32, 8, 0},
        {128256, 8192, 28672, 64, 8, 0}};
    const uint64_t wanted = model_bytes / 2;
    struct shape best = widths[0];

    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        const struct shape *try = &widths[i];

        /* A width suits a model that has room for at least four layers beside its embeddings. */
        if (2 * try->vocab * try->hidden + 4 * layer_elems(try) <= wanted) {
            best = *try;
        }
    }
    best.layers = 1;
    if (wanted > 2 * best.vocab * best.hidden + layer_elems(&best)) {
        best.layers = (wanted - 2 * best.vocab * best.hidden) / layer_elems(&best);
    }
    return best;
}

__attribute__((format(printf, 2, 3))) static void name_tensor(struct tensor *tensor,
                                                              const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(tensor->name, sizeof(tensor->name), format, arguments);
    va_end(arguments);
}

static struct tensor *add_tensor(struct model *model, uint64_t rows, uint64_t columns)
{
    struct tensor *tensor = &model->tensors[model->tensor_count];

    *tensor = (struct tensor){.rows = rows, .columns = columns, .number = model->tensor_count};
    tensor->is_norm = columns == 0;
    model->tensor_count++;
    return tensor;
}

static void add_layer(struct model *model, uint64_t layer)
{
    const struct shape *s = &model->shape;
    const uint64_t kv = s->hidden / s->heads * s->kv_heads;
    const struct {
        const char *role;
        uint64_t rows;
        uint64_t columns;
    } parts[TENSORS_PER_LAYER] = {
        {"input_layernorm", s->hidden, 0},          {"self_attn.q_proj", s->hidden, s->hidden},
        {"self_attn.k_proj", kv, s->hidden},        {"self_attn.v_proj", kv, s->hidden},
        {"self_attn.o_proj", s->hidden, s->hidden}, {"post_attention_layernorm", s->hidden, 0},
        {"mlp.gate_proj", s->inner, s->hidden},     {"mlp.up_proj", s->inner, s->hidden},
        {"mlp.down_proj", s->hidden, s->inner}};

    for (size_t i = 0; i < TENSORS_PER_LAYER; i++) {
        name_tensor(add_tensor(model, parts[i].rows, parts[i].columns),
                    "model.layers.%" PRIu64 ".%s.weight", layer, parts[i].role);
    }
}

static int by_shard_and_name(const void *a, const void *b)
{
    const struct tensor *left = a;
    const struct tensor *right = b;

    if (left->shard != right->shard) {
        return left->shard < right->shard ? -1 : 1;
    }
    return strcmp(left->name, right->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

static void build_model(struct model *model, uint64_t model_bytes, uint64_t shard_bytes)
{
    uint64_t filled = 0;

    *model = (struct model){.shape = choose_shape(model_bytes)};
    model->tensors =
        calloc(model->shape.layers * TENSORS_PER_LAYER + LOOSE_TENSORS, sizeof(struct tensor));
    if (model->tensors == NULL) {
        die(EXIT_IO, "no memory for the list of tensors");
    }
    name_tensor(add_tensor(model, model->shape.vocab, model->shape.hidden),
                "model.embed_tokens.weight");
    for (uint64_t i = 0; i < model->shape.layers; i++) {
        add_layer(model, i);
    }
    name_tensor(add_tensor(model, model->shape.hidden, 0), "model.norm.weight");
    name_tensor(add_tensor(model, model->shape.vocab, model->shape.hidden), "lm_head.weight");

    for (uint64_t i = 0; i < model->tensor_count; i++) {
        const uint64_t bytes = 2 * tensor_elems(&model->tensors[i]);

        if (filled > 0 && filled + bytes > shard_bytes) {
            model->shard_count++;
            filled = 0;
        }
        model->tensors[i].shard = model->shard_count;
        filled += bytes;
    }
    model->shard_count++;
    qsort(model->tensors, model->tensor_count, sizeof(struct tensor), by_shard_and_name);
}

/* --- Numbers --- */

/* splitmix64 of a counter: any element can be made without the ones before it. */
static inline uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Sum of four 16-bit uniforms: near enough to a normal distribution of deviation 1, made of
 * integers and one exact conversion, so that it is the same everywhere. */
static inline float near_normal(uint64_t bits)
{
    const int32_t sum = (int32_t)(bits & 0xffff) + (int32_t)((bits >> 16) & 0xffff) +
                        (int32_t)((bits >> 32) & 0xffff) + (int32_t)(bits >> 48);

    return (float)(sum - 2 * 65535) * (1.0f / 37837.0f);
}

static inline uint16_t to_bf16(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static inline float from_bf16(uint16_t value)
{
    const uint32_t bits = (uint32_t)value << 16;
    float result;

    memcpy(&result, &bits, sizeof(result));
    return result;
}

/* Elements [first, first + count) of a tensor. tune 0 is the base; a fine-tune is the base plus a
 * small change, as training makes it: smaller than the weights by a factor of twenty. */
static void generate(uint16_t *to, const struct tensor *tensor, uint64_t seed, uint32_t tune,
                     uint64_t first, uint64_t count)
{
    const uint64_t base_key = mix(mix(seed) ^ tensor->number);
    const uint64_t tune_key = mix(base_key ^ ((uint64_t)tune << 32));
    const float center = tensor->is_norm ? 1.0f : 0.0f;
    const float spread = tensor->is_norm ? 0.1f : 0.02f;

    for (uint64_t i = 0; i < count; i++) {
        const uint64_t at = first + i;
        uint16_t value = to_bf16(center + spread * near_normal(mix(base_key + at)));

        if (tune > 0) {
            value = to_bf16(from_bf16(value) + 0.001f * near_normal(mix(tune_key + at)));
        }
        to[i] = value;
    }
}

/* --- Files --- */

static void write_all(int fd, const void *data, size_t length, const char *path)
{
    const char *at = data;

    while (length > 0) {
        const ssize_t done = write(fd, at, length);

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            die(EXIT_IO, "%s: cannot write: %s", path, strerror(errno));
        }
        at += done;
        length -= (size_t)done;
    }
}

static int open_new(const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);

    if (fd < 0) {
        die(EXIT_IO, "%s: cannot create: %s", path, strerror(errno));
    }
    return fd;
}

static void close_written(int fd, const char *path)
{
    if (close(fd) != 0) {
        die(EXIT_IO, "%s: cannot write: %s", path, strerror(errno));
    }
}

__attribute__((format(printf, 2, 3))) static void make_path(char *to, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(to, PATH_MAX, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= PATH_MAX) {
        die(EXIT_USAGE, "path too long");
    }
}

/* A small text file, printed through stdio. */
static FILE *open_text(const char *path)
{
    FILE *file = fdopen(open_new(path), "w");

    if (file == NULL) {
        die(EXIT_IO, "%s: cannot create: %s", path, strerror(errno));
    }
    return file;
}

static void close_text(FILE *file, const char *path)
{
    const bool failed = ferror(file) != 0;

    if (fclose(file) != 0 || failed) {
        die(EXIT_IO, "%s: cannot write: %s", path, strerror(errno));
    }
}

static void write_header(int fd, const struct model *model, uint64_t shard, const char *path)
{
    char *text = malloc(HEADER_BYTES_MAX);
    size_t length = 8;
    uint64_t offset = 0;
    uint64_t stored;

    if (text == NULL) {
        die(EXIT_IO, "no memory for a header");
    }
    length += (size_t)sprintf(text + length, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (uint64_t i = 0; i < model->tensor_count; i++) {
        const struct tensor *tensor = &model->tensors[i];
        const uint64_t bytes = 2 * tensor_elems(tensor);

        if (tensor->shard != shard) {
            continue;
        }
        if (length + 512 > HEADER_BYTES_MAX) {
            die(EXIT_USAGE, "too many tensors in one shard; use a smaller --shard-size");
        }
        length += (size_t)sprintf(text + length, ",\"%s\":{\"dtype\":\"BF16\",\"shape\":[%" PRIu64,
                                  tensor->name, tensor->rows);
        if (tensor->columns > 0) {
            length += (size_t)sprintf(text + length, ",%" PRIu64, tensor->columns);
        }
        length += (size_t)sprintf(text + length, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}",
                                  offset, offset + bytes);
        offset += bytes;
    }
    text[length++] = '}';
    while (length % HEADER_ALIGN != 0) {
        text[length++] = ' ';
    }
    stored = length - 8;
    memcpy(text, &stored, sizeof(stored));
    write_all(fd, text, length, path);
    free(text);
}

static void write_shard(const struct options *options, const struct model *model, uint32_t tune,
                        uint64_t shard, const char *path, uint16_t *chunk)
{
    const int fd = open_new(path);
    uint64_t hole = 0;

    write_header(fd, model, shard, path);
    for (uint64_t i = 0; i < model->tensor_count; i++) {
        const struct tensor *tensor = &model->tensors[i];
        const uint64_t elems = tensor_elems(tensor);

        if (tensor->shard != shard) {
            continue;
        }
        if (options->sparse) {
            hole += 2 * elems;
            continue;
        }
        for (uint64_t at = 0; at < elems; at += CHUNK_ELEMS) {
            const uint64_t count = elems - at < CHUNK_ELEMS ? elems - at : CHUNK_ELEMS;

            generate(chunk, tensor, options->seed, tune, at, count);
            write_all(fd, chunk, 2 * count, path);
        }
    }
    if (options->sparse) {
        const off_t end = lseek(fd, 0, SEEK_CUR);

        if (end < 0 || ftruncate(fd, end + (off_t)hole) != 0) {
            die(EXIT_IO, "%s: cannot size: %s", path, strerror(errno));
        }
    }
    close_written(fd, path);
}

static void write_index(const struct model *model, const char *folder)
{
    const size_t bytes = model->tensor_count * sizeof(struct tensor);
    struct tensor *sorted = bytes > 0 ? malloc(bytes) : NULL;
    uint64_t total = 0;
    char path[PATH_MAX];
    FILE *file;

    if (sorted == NULL) {
        die(EXIT_IO, "no memory for the index");
    }
    memcpy(sorted, model->tensors, bytes);
    qsort(sorted, model->tensor_count, sizeof(struct tensor), by_name);
    for (uint64_t i = 0; i < model->tensor_count; i++) {
        total += 2 * tensor_elems(&sorted[i]);
    }
    make_path(path, "%s/model.safetensors.index.json", folder);
    file = open_text(path);
    fprintf(file, "{\n  \"metadata\": {\n    \"total_size\": %" PRIu64 "\n  },\n", total);
    fputs("  \"weight_map\": {\n", file);
    for (uint64_t i = 0; i < model->tensor_count; i++) {
        fprintf(file, "    \"%s\": \"model-%05" PRIu64 "-of-%05" PRIu64 ".safetensors\"%s\n",
                sorted[i].name, sorted[i].shard + 1, model->shard_count,
                i + 1 < model->tensor_count ? "," : "");
    }
    fputs("  }\n}\n", file);
    close_text(file, path);
    free(sorted);
}

static void write_config(const struct model *model, const char *folder)
{
    const struct shape *s = &model->shape;
    char path[PATH_MAX];
    FILE *file;

    make_path(path, "%s/config.json", folder);
    file = open_text(path);
    fprintf(file,
            "{\n  \"architectures\": [\n    \"LlamaForCausalLM\"\n  ],\n"
            "  \"attention_bias\": false,\n  \"attention_dropout\": 0.0,\n"
            "  \"bos_token_id\": 256,\n  \"eos_token_id\": 257,\n  \"head_dim\": %" PRIu64 ",\n"
            "  \"hidden_act\": \"silu\",\n  \"hidden_size\": %" PRIu64 ",\n"
            "  \"initializer_range\": 0.02,\n  \"intermediate_size\": %" PRIu64 ",\n"
            "  \"max_position_embeddings\": 4096,\n  \"mlp_bias\": false,\n"
            "  \"model_type\": \"llama\",\n  \"num_attention_heads\": %" PRIu64 ",\n"
            "  \"num_hidden_layers\": %" PRIu64 ",\n  \"num_key_value_heads\": %" PRIu64 ",\n"
            "  \"rms_norm_eps\": 1e-05,\n  \"rope_theta\": 10000.0,\n"
            "  \"tie_word_embeddings\": false,\n  \"torch_dtype\": \"bfloat16\",\n"
            "  \"use_cache\": true,\n  \"vocab_size\": %" PRIu64 "\n}\n",
            s->hidden / s->heads, s->hidden, s->inner, s->heads, s->layers, s->kv_heads, s->vocab);
    close_text(file, path);
}

/* A byte-level vocabulary in the notation of byte-level BPE: printable bytes stand for themselves,
 * the others for the code points from U+0100 on. */
static void write_vocabulary(FILE *file)
{
    unsigned int moved = 0;

    for (unsigned int byte = 0; byte < 256; byte++) {
        const bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
        const unsigned int point = printable ? byte : 0x100 + moved;

        if (!printable) {
            moved++;
        }
        fprintf(file, "      \"\\u%04x\": %u,\n", point, byte);
    }
    fputs("      \"<s>\": 256,\n      \"</s>\": 257\n", file);
}

static void write_tokenizer(const char *folder)
{
    char path[PATH_MAX];
    FILE *file;

    make_path(path, "%s/tokenizer.json", folder);
    file = open_text(path);
    fputs("{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n"
          "  \"added_tokens\": [\n",
          file);
    for (int i = 0; i < 2; i++) {
        fprintf(file,
                "    {\"id\": %d, \"content\": \"%s\", \"single_word\": false, \"lstrip\": false,"
                " \"rstrip\": false, \"normalized\": false, \"special\": true}%s\n",
                256 + i, i == 0 ? "<s>" : "</s>", i == 0 ? "," : "");
    }
    fputs("  ],\n  \"normalizer\": null,\n"
          "  \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false,"
          " \"trim_offsets\": true, \"use_regex\": true},\n"
          "  \"post_processor\": null,\n"
          "  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true,"
          " \"trim_offsets\": true, \"use_regex\": true},\n"
          "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n"
          "    \"unk_token\": null,\n    \"continuing_subword_prefix\": null,\n"
          "    \"end_of_word_suffix\": null,\n    \"fuse_unk\": false,\n"
          "    \"byte_fallback\": false,\n    \"vocab\": {\n",
          file);
    write_vocabulary(file);
    fputs("    },\n    \"merges\": []\n  }\n}\n", file);
    close_text(file, path);
}

static void write_small(const char *folder, const char *name, const char *text)
{
    char path[PATH_MAX];
    FILE *file;

    make_path(path, "%s/%s", folder, name);
    file = open_text(path);
    fputs(text, file);
    close_text(file, path);
}

static void make_folder(const char *path)
{
    struct stat seen;

    if (mkdir(path, 0777) != 0 &&
        (errno != EEXIST || stat(path, &seen) != 0 || !S_ISDIR(seen.st_mode))) {
        die(EXIT_IO, "%s: cannot make the folder: %s", path, strerror(errno));
    }
}

/* Shards of an earlier sample with other names would stand beside the new ones for ever. */
static void remove_old_shards(const char *folder)
{
    DIR *listing = opendir(folder);
    const struct dirent *entry;

    if (listing == NULL) {
        die(EXIT_IO, "%s: cannot list: %s", folder, strerror(errno));
    }
    while ((entry = readdir(listing)) != NULL) {
        const char *suffix = strrchr(entry->d_name, '.');

        if (strncmp(entry->d_name, "model-", 6) == 0 && suffix != NULL &&
            strcmp(suffix, ".safetensors") == 0) {
            (void)unlinkat(dirfd(listing), entry->d_name, 0);
        }
    }
    closedir(listing);
}

static void write_model(const struct options *options, const struct model *model, uint32_t tune,
                        uint16_t *chunk)
{
    char folder[PATH_MAX];
    char path[PATH_MAX];

    if (tune == 0) {
        make_path(folder, "%s/base", options->folder);
    } else {
        make_path(folder, "%s/tuned-%" PRIu32, options->folder, tune);
    }
    make_folder(folder);
    remove_old_shards(folder);
    for (uint64_t i = 0; i < model->shard_count; i++) {
        make_path(path, "%s/model-%05" PRIu64 "-of-%05" PRIu64 ".safetensors", folder, i + 1,
                  model->shard_count);
        write_shard(options, model, tune, i, path, chunk);
    }
    write_index(model, folder);
    write_config(model, folder);
    write_tokenizer(folder);
    write_small(folder, "generation_config.json",
                "{\n  \"_from_model_config\": true,\n  \"bos_token_id\": 256,\n"
                "  \"eos_token_id\": 257\n}\n");
    write_small(folder, "special_tokens_map.json",
                "{\n  \"bos_token\": \"<s>\",\n  \"eos_token\": \"</s>\"\n}\n");
    write_small(folder, "tokenizer_config.json",
                "{\n  \"bos_token\": \"<s>\",\n  \"eos_token\": \"</s>\",\n"
                "  \"model_max_length\": 4096,\n"
                "  \"tokenizer_class\": \"PreTrainedTokenizerFast\"\n}\n");
}

/* --- Options --- */

static uint64_t parse_size(const char *flag, const char *text)
{
    static const struct {
        const char *unit;
        uint64_t factor;
    } units[] = {{"", 1},
                 {"KB", 1000},
                 {"MB", 1000000},
                 {"GB", 1000000000},
                 {"TB", UINT64_C(1000000000000)},
                 {"KiB", 1024},
                 {"MiB", UINT64_C(1024) * 1024},
                 {"GiB", UINT64_C(1024) * 1024 * 1024},
                 {"TiB", UINT64_C(1024) * 1024 * 1024 * 1024}};
    const size_t digits = strspn(text, "0123456789.");
    char *end = NULL;
    const double number = strtod(text, &end);

    if (digits > 0 && end == text + digits) {
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
            const double size = number * (double)units[i].factor;

            if (strcmp(end, units[i].unit) == 0 && size < 0x1p60) {
                return (uint64_t)size;
            }
        }
    }
    die(EXIT_USAGE, "%s %s: a number with MB, GB, MiB, GiB and the like is needed", flag, text);
}

static void print_usage(FILE *to)
{
    fputs("usage: onefold-mksample [OPTIONS] FOLDER\n"
          "Writes FOLDER/base and FOLDER/tuned-1 ... : a Llama-shaped bf16 model and fine-tunes of "
          "it.\n"
          "\n"
          "  --size SIZE        of all models together, about (default 200MB)\n"
          "  --tunes N          fine-tunes beside the base (default 3)\n"
          "  --shard-size SIZE  largest shard (default: a third of a model, at most 5GB)\n"
          "  --seed N           other numbers (default 1)\n"
          "  --sparse           headers only, the data is a hole that reads as zeros\n"
          "  --force            write over another sample\n"
          "  --quiet            say nothing\n"
          "  --version, --help\n",
          to);
}

static void parse_options(struct options *options, int argc, char **argv)
{
    static const struct option rows[] = {{"size", required_argument, NULL, 's'},
                                         {"tunes", required_argument, NULL, 't'},
                                         {"shard-size", required_argument, NULL, 'b'},
                                         {"seed", required_argument, NULL, 'r'},
                                         {"sparse", no_argument, NULL, 'h'},
                                         {"force", no_argument, NULL, 'f'},
                                         {"quiet", no_argument, NULL, 'q'},
                                         {"version", no_argument, NULL, 'v'},
                                         {"help", no_argument, NULL, '?' + 1},
                                         {NULL, 0, NULL, 0}};
    uint64_t tunes = 3;
    int flag;

    *options = (struct options){.size_bytes = SIZE_DEFAULT, .seed = 1};
    while ((flag = getopt_long(argc, argv, "", rows, NULL)) != -1) {
        switch (flag) {
        case 's':
            options->size_bytes = parse_size("--size", optarg);
            break;
        case 't':
            tunes = parse_size("--tunes", optarg);
            break;
        case 'b':
            options->shard_bytes = parse_size("--shard-size", optarg);
            break;
        case 'r':
            options->seed = parse_size("--seed", optarg);
            break;
        case 'h':
            options->sparse = true;
            break;
        case 'f':
            options->force = true;
            break;
        case 'q':
            options->quiet = true;
            break;
        case 'v':
            puts("onefold-mksample " ONEFOLD_VERSION);
            exit(EXIT_DONE);
        case '?' + 1:
            print_usage(stdout);
            exit(EXIT_DONE);
        default:
            print_usage(stderr);
            exit(EXIT_USAGE);
        }
    }
    if (argc - optind != 1 || tunes > TUNES_MAX) {
        print_usage(stderr);
        exit(EXIT_USAGE);
    }
    options->folder = argv[optind];
    options->tune_count = (uint32_t)tunes;
}

/* --- The sample as a whole --- */

/* What sample.json says: written last, so that its presence means a complete sample. */
static void describe(const struct options *options, const struct model *model, char *to,
                     size_t room)
{
    snprintf(to, room,
             "{\"generator\":\"onefold-mksample\",\"version\":1,\"size\":%" PRIu64
             ",\"tunes\":%" PRIu32 ",\"shards\":%" PRIu64 ",\"seed\":%" PRIu64 ",\"sparse\":%s}\n",
             options->size_bytes, options->tune_count, model->shard_count, options->seed,
             options->sparse ? "true" : "false");
}

/* True when the same sample is there already; ends the program when something else is. */
static bool is_there(const struct options *options, const char *stamp_path, const char *stamp)
{
    char found[512] = "";
    struct stat seen;
    const int fd = open(stamp_path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        const ssize_t length = read(fd, found, sizeof(found) - 1);

        close(fd);
        if (length > 0 && strcmp(found, stamp) == 0) {
            return true;
        }
    }
    if (stat(options->folder, &seen) == 0 && !options->force) {
        char base[PATH_MAX];

        make_path(base, "%s/base", options->folder);
        if (stat(base, &seen) == 0) {
            die(EXIT_USAGE, "%s holds another or an unfinished sample; --force writes over it",
                options->folder);
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    struct options options;
    struct model model;
    uint16_t *chunk;
    uint64_t model_bytes;
    char stamp_path[PATH_MAX];
    char stamp[512];

    parse_options(&options, argc, argv);
    model_bytes = options.size_bytes / (options.tune_count + UINT64_C(1));
    if (options.shard_bytes == 0) {
        options.shard_bytes = model_bytes / 3 < SHARD_BYTES_MAX ? model_bytes / 3 : SHARD_BYTES_MAX;
    }
    build_model(&model, model_bytes, options.shard_bytes);
    make_path(stamp_path, "%s/sample.json", options.folder);
    describe(&options, &model, stamp, sizeof(stamp));
    if (is_there(&options, stamp_path, stamp)) {
        if (!options.quiet) {
            fprintf(stderr, "%s: the sample is there already\n", options.folder);
        }
        free(model.tensors);
        return EXIT_DONE;
    }
    make_folder(options.folder);
    (void)unlink(stamp_path);
    chunk = malloc(CHUNK_ELEMS * sizeof(uint16_t));
    if (chunk == NULL) {
        die(EXIT_IO, "no memory");
    }
    for (uint32_t tune = 0; tune <= options.tune_count; tune++) {
        write_model(&options, &model, tune, chunk);
        if (!options.quiet) {
            fprintf(stderr, "%s: model %" PRIu32 " of %" PRIu32 " written\n", options.folder,
                    tune + 1, options.tune_count + 1);
        }
    }
    write_small(options.folder, "sample.json", stamp);
    free(chunk);
    free(model.tensors);
    return EXIT_DONE;
}
