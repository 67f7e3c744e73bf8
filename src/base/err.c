/* SPDX-License-Identifier: Apache-2.0 */
/* Error values, reports, and the one table of error ids. */
#include "base/err.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

struct id_row {
    const char *id;
    onefold_status status; /* ONEFOLD_OK: only ever a note or a warning */
    const char *hint;      /* what to do about it, or NULL */
};

/* Sorted by id (bytes), because it is searched by halving. */
static const struct id_row id_rows[] = {
    {"argument", ONEFOLD_E_ARGUMENT, "see the manual page for what is allowed"},
    {"bench-cache", ONEFOLD_OK, NULL},
    {"bench-direct", ONEFOLD_OK, NULL},
    {"bench-skipped", ONEFOLD_OK, NULL},
    {"cancelled", ONEFOLD_E_CANCELLED, "the same command starts again"},
    {"checkpoint-ambiguous", ONEFOLD_E_FORMAT,
     "name the file, or remove the one that does not belong there"},
    {"checkpoint-changed", ONEFOLD_E_MISMATCH,
     "run again when nothing writes to the input any more"},
    {"checkpoint-duplicate", ONEFOLD_E_FORMAT,
     "two shards hold the same tensor; fetch the checkpoint again"},
    {"checkpoint-incomplete", ONEFOLD_E_MISSING,
     "a download is not finished; fetch the checkpoint again"},
    {"checkpoint-limit", ONEFOLD_E_UNSUPPORTED,
     "the checkpoint has more files or tensors than can be handled"},
    {"checkpoint-missing", ONEFOLD_E_MISSING,
     "give a folder with model.safetensors or an index, or one .safetensors file"},
    {"checkpoint-none", ONEFOLD_E_MISSING,
     "give a folder with model.safetensors or an index, or one .safetensors file"},
    {"checkpoint-not-cached", ONEFOLD_E_MISSING,
     "fetch it first: hf download ORG/NAME; nothing is downloaded from here"},
    {"checkpoint-pickle", ONEFOLD_E_UNSUPPORTED,
     "convert it to safetensors first; pickles are never read"},
    {"checkpoint-shard-stale", ONEFOLD_OK, NULL},
    {"checkpoint-shard-total", ONEFOLD_OK, NULL},
    {"checkpoint-variants", ONEFOLD_E_FORMAT,
     "name one of the index files or weight files instead of the folder"},
    {"commit-rename", ONEFOLD_E_IO,
     "the data is complete; rename the staging folder by hand or run the same command again"},
    {"commit-sync", ONEFOLD_E_IO,
     "the output is complete, but not known to be durable; sync the file system"},
    {"compare-agreement", ONEFOLD_OK, NULL},
    {"compare-alike", ONEFOLD_OK, NULL},
    {"compare-base", ONEFOLD_OK, NULL},
    {"compare-bound", ONEFOLD_E_DIFFERS,
     "look at these models before they are merged, or give another bound"},
    {"compare-chance", ONEFOLD_OK, NULL},
    {"compare-coarse", ONEFOLD_OK, NULL},
    {"compare-duplicate", ONEFOLD_OK, NULL},
    {"compare-equal-base", ONEFOLD_OK, NULL},
    {"compare-nonfinite", ONEFOLD_OK, NULL},
    {"compare-norm-outlier", ONEFOLD_OK, NULL},
    {"compare-norm-ratio", ONEFOLD_OK, NULL},
    {"compare-orthogonal", ONEFOLD_OK, NULL},
    {"compare-steps", ONEFOLD_OK, NULL},
    {"compare-tails", ONEFOLD_OK, NULL},
    {"compare-unlike", ONEFOLD_OK, NULL},
    {"compare-zeros", ONEFOLD_OK, NULL},
    {"config-invalid", ONEFOLD_E_FORMAT,
     "config.json is not a JSON object; fetch the checkpoint again"},
    {"dtype-f64", ONEFOLD_OK, NULL},
    {"hash-line", ONEFOLD_OK, NULL},
    {"hash-list", ONEFOLD_E_DIFFERS, "the list has no properly formatted line"},
    {"hash-mismatch", ONEFOLD_E_DIFFERS, "the file is not the one the list was made from"},
    {"index-backslash", ONEFOLD_E_FORMAT,
     "a shard name is one plain file name; fetch the index again"},
    {"index-control", ONEFOLD_E_FORMAT,
     "a shard name is one plain file name; fetch the index again"},
    {"index-depth", ONEFOLD_E_FORMAT,
     "nesting this deep does not occur in an index; fetch it again"},
    {"index-duplicate", ONEFOLD_E_FORMAT,
     "each tensor stands once in weight_map; fetch the index again"},
    {"index-empty", ONEFOLD_E_FORMAT, "weight_map names no tensor; fetch the index again"},
    {"index-json", ONEFOLD_E_FORMAT, "the index is not strict JSON; fetch it again"},
    {"index-limit", ONEFOLD_E_UNSUPPORTED,
     "at most 4,096 shards and an index of 64 MiB can be handled"},
    {"index-map", ONEFOLD_E_FORMAT, "weight_map has to be an object: tensor name to file name"},
    {"index-map-missing", ONEFOLD_E_FORMAT, "the index has no weight_map; fetch it again"},
    {"index-metadata", ONEFOLD_OK, NULL},
    {"index-name-dot", ONEFOLD_E_FORMAT,
     "a shard name is one plain file name; fetch the index again"},
    {"index-name-empty", ONEFOLD_E_FORMAT,
     "a shard name is one plain file name; fetch the index again"},
    {"index-name-long", ONEFOLD_E_FORMAT, "a file name has at most 255 bytes"},
    {"index-name-suffix", ONEFOLD_E_FORMAT, "a shard name ends in .safetensors"},
    {"index-path", ONEFOLD_E_FORMAT,
     "a shard name is one plain file name without folders; fetch the index again"},
    {"index-shard-missing", ONEFOLD_E_MISSING, "fetch the missing files again"},
    {"index-size", ONEFOLD_E_FORMAT, "an index of more than 128 MiB is not read"},
    {"index-tensor-extra", ONEFOLD_E_FORMAT,
     "index and shards do not belong together; fetch the checkpoint again"},
    {"index-tensor-missing", ONEFOLD_E_FORMAT,
     "index and shards do not belong together; fetch the checkpoint again"},
    {"index-tensor-name", ONEFOLD_E_FORMAT,
     "a tensor name has 1 to 1,024 bytes and no control characters"},
    {"index-top", ONEFOLD_E_FORMAT, "the index has to be a JSON object"},
    {"index-total", ONEFOLD_OK, NULL},
    {"index-value", ONEFOLD_E_FORMAT, "weight_map gives a file name, a string, for each tensor"},
    {"input-access", ONEFOLD_E_MISSING, "give yourself permission to read it"},
    {"input-changed", ONEFOLD_E_MISMATCH,
     "the input changed while it was being read; run again when nothing writes to it"},
    {"input-io", ONEFOLD_E_IO, "look at the disk (dmesg), then run the same command again"},
    {"input-kind", ONEFOLD_E_UNSUPPORTED, "only regular files are read"},
    {"input-missing", ONEFOLD_E_MISSING, "check the path; nothing is downloaded"},
    {"input-same", ONEFOLD_OK, NULL},
    {"input-size", ONEFOLD_E_UNSUPPORTED, "the file is larger than a file of its kind can be"},
    {"internal", ONEFOLD_E_INTERNAL, "please report this"},
    {"io-backend", ONEFOLD_E_ARGUMENT, "leave --io away to have a backend chosen that works here"},
    {"io-direct", ONEFOLD_E_ARGUMENT, "use --direct auto"},
    {"io-fallback", ONEFOLD_OK, NULL},
    {"io-stuck", ONEFOLD_E_IO, "a request kept failing; try --io threads"},
    {"kind-7z", ONEFOLD_E_UNSUPPORTED, "unpack it first"},
    {"kind-bzip2", ONEFOLD_E_UNSUPPORTED, "unpack it first"},
    {"kind-gguf", ONEFOLD_E_UNSUPPORTED,
     "GGUF files cannot be merged here; convert to safetensors first"},
    {"kind-gzip", ONEFOLD_E_UNSUPPORTED, "unpack it with gunzip first"},
    {"kind-hdf5", ONEFOLD_E_UNSUPPORTED, "convert it to safetensors first"},
    {"kind-html", ONEFOLD_E_UNSUPPORTED,
     "a web page was saved instead of the file; fetch it again"},
    {"kind-lfs", ONEFOLD_E_UNSUPPORTED, "run `git lfs pull` in that folder to fetch the real file"},
    {"kind-npy", ONEFOLD_E_UNSUPPORTED, "convert it to safetensors first"},
    {"kind-pickle", ONEFOLD_E_UNSUPPORTED,
     "convert it to safetensors first; pickles are never read"},
    {"kind-tar", ONEFOLD_E_UNSUPPORTED, "unpack it first"},
    {"kind-xz", ONEFOLD_E_UNSUPPORTED, "unpack it with unxz first"},
    {"kind-zip", ONEFOLD_E_UNSUPPORTED,
     "a PyTorch or other zip archive; convert it to safetensors first"},
    {"kind-zstd", ONEFOLD_E_UNSUPPORTED, "unpack it with unzstd first"},
    {"leaves-differ", ONEFOLD_E_DIFFERS,
     "the data is damaged in the range named; make the output again"},
    {"leaves-missing", ONEFOLD_OK, NULL},
    {"leaves-size", ONEFOLD_E_DIFFERS, "onefold.leaves does not belong to this manifest"},
    {"list-duplicate", ONEFOLD_E_DIFFERS, "a list names each file once"},
    {"list-extra", ONEFOLD_E_DIFFERS, "the file is in no list; make the output again"},
    {"list-line", ONEFOLD_E_DIFFERS, "a line of the list is malformed"},
    {"list-missing", ONEFOLD_OK, NULL},
    {"list-name", ONEFOLD_E_DIFFERS, "a list names files of its own folder only"},
    {"manifest-checkpoint", ONEFOLD_E_DIFFERS,
     "the digest of the whole does not follow from the tensors; make the output again"},
    {"manifest-depth", ONEFOLD_E_FORMAT, "nesting this deep does not occur in a manifest"},
    {"manifest-digest", ONEFOLD_E_FORMAT, "a digest in the manifest is not hex of its length"},
    {"manifest-duplicate", ONEFOLD_E_FORMAT, "the manifest names something twice"},
    {"manifest-extra", ONEFOLD_E_DIFFERS, "something is there that the manifest does not know"},
    {"manifest-field", ONEFOLD_E_FORMAT, "a field of the manifest is missing or of another type"},
    {"manifest-json", ONEFOLD_E_FORMAT, "the manifest is not strict JSON"},
    {"manifest-limit", ONEFOLD_E_FORMAT, "the manifest holds more than can be handled"},
    {"manifest-missing", ONEFOLD_OK, NULL},
    {"manifest-name", ONEFOLD_E_FORMAT, "the manifest names files of its own folder only"},
    {"manifest-number", ONEFOLD_E_FORMAT, "a number in the manifest is out of range"},
    {"manifest-top", ONEFOLD_E_FORMAT, "the manifest has to be a JSON object"},
    {"manifest-version", ONEFOLD_E_UNSUPPORTED,
     "the manifest was written by a newer version; verify with that"},
    {"memory", ONEFOLD_E_MEMORY, "give more memory with --memory"},
    {"memory-bound", ONEFOLD_E_MEMORY, "give at least the amount named with --memory"},
    {"memory-cgroup", ONEFOLD_E_MEMORY,
     "the container allows less than --memory; lower one or raise the other"},
    {"memory-header", ONEFOLD_E_MEMORY,
     "that is more than --memory leaves for it; try twice as much"},
    {"memory-shrunk", ONEFOLD_OK, NULL},
    {"method-alike", ONEFOLD_OK, NULL},
    {"method-bias", ONEFOLD_OK, NULL},
    {"method-cancelled", ONEFOLD_OK, NULL},
    {"method-dominant", ONEFOLD_OK, NULL},
    {"method-inconsistency", ONEFOLD_OK, NULL},
    {"method-inert", ONEFOLD_OK, NULL},
    {"method-majority", ONEFOLD_OK, NULL},
    {"method-orthogonal", ONEFOLD_OK, NULL},
    {"method-step", ONEFOLD_OK, NULL},
    {"method-unknown", ONEFOLD_E_RECIPE, "`onefold methods` lists them"},
    {"method-vertex", ONEFOLD_OK, NULL},
    {"method-zero", ONEFOLD_OK, NULL},
    {"mismatch-base", ONEFOLD_E_MISMATCH, "the base lacks a tensor the rule needs"},
    {"mismatch-copy", ONEFOLD_OK, NULL},
    {"mismatch-dtype", ONEFOLD_E_MISMATCH, "types that are copied have to agree in all inputs"},
    {"mismatch-missing", ONEFOLD_E_MISMATCH,
     "use --tensor-intersection to leave such tensors out, or --tensor-union to merge what is "
     "there"},
    {"mismatch-shape", ONEFOLD_E_MISMATCH,
     "models with other shapes cannot be merged; is the vocabulary different?"},
    {"mismatch-tied", ONEFOLD_OK, NULL},
    {"option-ignored", ONEFOLD_OK, NULL},
    {"output-gone", ONEFOLD_E_IO, "the target vanished or became read-only; look at the disk"},
    {"output-io", ONEFOLD_E_IO, "look at the disk (dmesg), then run the same command again"},
    {"output-sync", ONEFOLD_E_IO,
     "a failed sync is final for that file; look at the disk, then run the same command again"},
    {"plan-copied", ONEFOLD_OK, NULL},
    {"plan-empty", ONEFOLD_E_MISMATCH, "there is nothing to merge; the inputs hold no tensors"},
    {"plan-extra", ONEFOLD_OK, NULL},
    {"plan-holes", ONEFOLD_OK, NULL},
    {"plan-left-out", ONEFOLD_OK, NULL},
    {"plan-limit", ONEFOLD_E_UNSUPPORTED, "the merge is larger than can be handled"},
    {"plan-notice", ONEFOLD_OK, NULL},
    {"recipe", ONEFOLD_E_RECIPE, "every error of the recipe is listed above"},
    {"recipe-alias", ONEFOLD_E_RECIPE, "an alias must not stand inside its own anchor"},
    {"recipe-base", ONEFOLD_E_RECIPE, "this method needs base_model"},
    {"recipe-count", ONEFOLD_E_RECIPE, "the method takes another number of models"},
    {"recipe-document", ONEFOLD_E_RECIPE, "one file holds one recipe"},
    {"recipe-dtype", ONEFOLD_E_RECIPE, "use float32, float16 or bfloat16"},
    {"recipe-duplicate", ONEFOLD_E_RECIPE, "each key stands once in a mapping"},
    {"recipe-empty", ONEFOLD_E_RECIPE, "the file holds no recipe"},
    {"recipe-encoding", ONEFOLD_E_RECIPE, "a recipe is UTF-8 text without control characters"},
    {"recipe-fact", ONEFOLD_E_RECIPE, "give the fact for every input but the base, or for none"},
    {"recipe-form", ONEFOLD_E_RECIPE, "exactly one of models, slices and modules is given"},
    {"recipe-gradient", ONEFOLD_E_RECIPE, "a gradient is a list of at least one number"},
    {"recipe-ignored", ONEFOLD_OK, NULL},
    {"recipe-key", ONEFOLD_E_RECIPE, "see onefold-recipe(5) for the keys allowed here"},
    {"recipe-kind", ONEFOLD_E_RECIPE, "a value of another kind is expected here"},
    {"recipe-layers", ONEFOLD_E_RECIPE,
     "layer_range is [START, END], counted from 0, END not included"},
    {"recipe-limit", ONEFOLD_E_RECIPE, "at most 1 MiB, 10,000 nodes and nesting of 32"},
    {"recipe-missing", ONEFOLD_E_RECIPE, "a required key is missing"},
    {"recipe-model", ONEFOLD_E_RECIPE, "a model is PATH, PATH@REVISION, or a mapping with path"},
    {"recipe-name", ONEFOLD_E_RECIPE, "names of inputs are unique"},
    {"recipe-number", ONEFOLD_E_RECIPE, "a plain decimal number is expected"},
    {"recipe-param", ONEFOLD_E_RECIPE, "see `onefold methods NAME` for the parameters"},
    {"recipe-path", ONEFOLD_E_RECIPE, "a path is not empty and holds no control characters"},
    {"recipe-range", ONEFOLD_E_RECIPE, "see `onefold methods NAME` for what is allowed"},
    {"recipe-repeat", ONEFOLD_OK, NULL},
    {"recipe-scale", ONEFOLD_E_RECIPE, "scale is sum or mean, for rules that leave the choice"},
    {"recipe-scope", ONEFOLD_E_RECIPE,
     "scope is row, tensor or model, where the method has a choice"},
    {"recipe-seed", ONEFOLD_E_RECIPE, "seed is an integer from 0 to 2^64-1"},
    {"recipe-setting", ONEFOLD_E_RECIPE,
     "a number, a list of numbers, or a list of {value, filter}"},
    {"recipe-syntax", ONEFOLD_E_RECIPE, "the file is not valid YAML"},
    {"recipe-tag", ONEFOLD_E_RECIPE, "tags are not used in recipes"},
    {"recipe-tokenizer", ONEFOLD_E_RECIPE, "give tokenizer or tokenizer_source, not both"},
    {"recipe-top", ONEFOLD_E_RECIPE, "the top level has to be a mapping with merge_method"},
    {"recipe-unsupported", ONEFOLD_E_RECIPE, "this version does not do that yet"},
    {"recipe-unused", ONEFOLD_OK, NULL},
    {"recipe-value", ONEFOLD_E_RECIPE, "another value is expected here"},
    {"recipe-zero", ONEFOLD_E_RECIPE, "weights that sum to zero cannot be normalised"},
    {"side-not-copied", ONEFOLD_OK, NULL},
    {"side-size", ONEFOLD_OK, NULL},
    {"side-skipped", ONEFOLD_OK, NULL},
    {"space-before", ONEFOLD_E_SPACE, "make room on the target, then run the same command again"},
    {"space-inodes", ONEFOLD_E_SPACE, "the target file system has no room for so many files"},
    {"space-reserve", ONEFOLD_E_SPACE, "make room on the target, then run the same command again"},
    {"space-run", ONEFOLD_E_IO, "make room on the target, then run the same command again"},
    {"st-bits", ONEFOLD_E_FORMAT, "a tensor has to fill whole bytes"},
    {"st-byte-order", ONEFOLD_E_FORMAT,
     "the header length is stored with its bytes swapped; was the file made on another byte "
     "order?"},
    {"st-depth", ONEFOLD_E_FORMAT, "nesting this deep does not occur in a genuine header"},
    {"st-dim", ONEFOLD_E_FORMAT, "no dimension can be that large; fetch the file again"},
    {"st-dtype", ONEFOLD_E_FORMAT,
     "the file may be damaged, or of a newer kind than this version knows"},
    {"st-duplicate", ONEFOLD_E_FORMAT, "two tensors have one name; do not trust this file"},
    {"st-elements", ONEFOLD_E_FORMAT, "the shape is impossible; fetch the file again"},
    {"st-empty", ONEFOLD_E_FORMAT,
     "the header names no tensors, but data follows; fetch the file again"},
    {"st-entry", ONEFOLD_E_FORMAT, "each tensor is an object with dtype, shape and data_offsets"},
    {"st-entry-size", ONEFOLD_E_FORMAT, "an entry this long does not occur in a genuine header"},
    {"st-field", ONEFOLD_E_FORMAT, "each tensor is an object with dtype, shape and data_offsets"},
    {"st-field-duplicate", ONEFOLD_E_FORMAT,
     "each field stands once in an entry; do not trust this file"},
    {"st-field-unknown", ONEFOLD_OK, NULL},
    {"st-header-end", ONEFOLD_E_FORMAT, "the header is longer than the file; fetch the file again"},
    {"st-header-limit", ONEFOLD_E_FORMAT,
     "the format allows headers of 100,000,000 bytes; is this a safetensors file?"},
    {"st-header-zero", ONEFOLD_E_FORMAT, "the header is empty; fetch the file again"},
    {"st-hole", ONEFOLD_E_FORMAT, "some bytes belong to no tensor; fetch the file again"},
    {"st-json", ONEFOLD_E_FORMAT, "the header is not strict JSON; fetch the file again"},
    {"st-leading-space", ONEFOLD_OK, NULL},
    {"st-metadata", ONEFOLD_E_FORMAT, "__metadata__ is an object of strings"},
    {"st-metadata-duplicate", ONEFOLD_E_FORMAT,
     "each key stands once in __metadata__; do not trust this file"},
    {"st-metadata-null", ONEFOLD_OK, NULL},
    {"st-metadata-twice", ONEFOLD_E_FORMAT, "__metadata__ stands once; do not trust this file"},
    {"st-name-bidi", ONEFOLD_E_FORMAT, "such a name can deceive a reader; do not trust this file"},
    {"st-name-case", ONEFOLD_OK, NULL},
    {"st-name-control", ONEFOLD_E_FORMAT,
     "such a name can deceive a reader; do not trust this file"},
    {"st-name-empty", ONEFOLD_E_FORMAT, "every tensor needs a name"},
    {"st-name-long", ONEFOLD_E_FORMAT, "a name has at most 1,024 bytes"},
    {"st-name-nul", ONEFOLD_E_FORMAT, "such a name can deceive a reader; do not trust this file"},
    {"st-number", ONEFOLD_E_FORMAT, "sizes and offsets are plain whole numbers below 2^63"},
    {"st-offset-end", ONEFOLD_E_FORMAT, "the file is cut off or damaged; fetch it again"},
    {"st-offset-order", ONEFOLD_E_FORMAT, "a tensor ends before it begins; fetch the file again"},
    {"st-offsets", ONEFOLD_E_FORMAT, "data_offsets is a list of two numbers"},
    {"st-overlap", ONEFOLD_E_FORMAT, "two tensors share bytes; fetch the file again"},
    {"st-rank", ONEFOLD_E_UNSUPPORTED, "at most 16 dimensions are handled"},
    {"st-shape", ONEFOLD_E_FORMAT, "shape is a list of whole numbers"},
    {"st-short", ONEFOLD_E_FORMAT, "the file is cut off; fetch it again"},
    {"st-size", ONEFOLD_E_FORMAT,
     "the range does not have the size that shape and dtype need; fetch the file again"},
    {"st-top", ONEFOLD_E_FORMAT, "the header has to be a JSON object"},
    {"st-trailing", ONEFOLD_E_FORMAT, "something was appended to the file; fetch it again"},
    {"st-truncated", ONEFOLD_E_FORMAT, "the file is cut off; fetch it again"},
    {"st-zero-size", ONEFOLD_E_FORMAT, "a tensor without bytes has to lie between two others"},
    {"stage-foreign", ONEFOLD_E_EXISTS, "look at the staging folder and remove it by hand"},
    {"stage-left", ONEFOLD_OK, NULL},
    {"stage-stale", ONEFOLD_OK, NULL},
    {"stats-digest", ONEFOLD_E_FORMAT, "make the file again with `onefold compare --save`"},
    {"stats-extra", ONEFOLD_E_MISMATCH, "merge without --stats"},
    {"stats-field", ONEFOLD_E_FORMAT, "make the file again with `onefold compare --save`"},
    {"stats-json", ONEFOLD_E_FORMAT, "the file is not strict JSON; make it again"},
    {"stats-limit", ONEFOLD_E_FORMAT, "make the file again with `onefold compare --save`"},
    {"stats-mismatch", ONEFOLD_E_MISMATCH,
     "make the file again from these inputs, or leave --stats out"},
    {"stats-number", ONEFOLD_E_FORMAT, "make the file again with `onefold compare --save`"},
    {"stats-unused", ONEFOLD_OK, NULL},
    {"stats-value", ONEFOLD_E_VALUE, "statistics of such inputs are of no use to a merge"},
    {"stats-version", ONEFOLD_E_FORMAT, "use the version of onefold that wrote the file"},
    {"target-busy", ONEFOLD_E_EXISTS, "another run writes there; wait for it"},
    {"target-exists", ONEFOLD_E_EXISTS, "choose another name, or use --force to replace it"},
    {"target-is-input", ONEFOLD_E_EXISTS, "choose an output outside the inputs"},
    {"target-kind", ONEFOLD_E_EXISTS, "choose a name where nothing is, or a folder"},
    {"target-lock", ONEFOLD_E_EXISTS, "the file system of the target has no locks; choose another"},
    {"target-network", ONEFOLD_OK, NULL},
    {"target-path", ONEFOLD_E_EXISTS, "the parent folder has to exist and be writable"},
    {"target-tmpfs", ONEFOLD_OK, NULL},
    {"target-wait", ONEFOLD_OK, NULL},
    {"thread", ONEFOLD_E_MEMORY, "fewer threads may be allowed here; try -j 1"},
    {"threads-fewer", ONEFOLD_OK, NULL},
    {"unsupported-adapter", ONEFOLD_E_UNSUPPORTED, "merge the adapter into its base first"},
    {"unsupported-dcp", ONEFOLD_E_UNSUPPORTED,
     "a rank's partial tensors; consolidate the checkpoint first"},
    {"unsupported-diffusers", ONEFOLD_E_UNSUPPORTED, "name one component's folder instead"},
    {"unsupported-quantised", ONEFOLD_E_UNSUPPORTED,
     "scales differ from model to model; dequantise the checkpoint first"},
    {"usage-arguments", ONEFOLD_E_ARGUMENT, "try --help"},
    {"usage-option", ONEFOLD_E_ARGUMENT, "try --help"},
    {"usage-refused", ONEFOLD_E_ARGUMENT, "try --help"},
    {"usage-value", ONEFOLD_E_ARGUMENT, "try --help"},
    {"usage-verb", ONEFOLD_E_ARGUMENT, "try --help"},
    {"value-input", ONEFOLD_E_VALUE, "use --nonfinite keep to merge it all the same"},
    {"value-narrow", ONEFOLD_E_VALUE,
     "use --out-dtype float32, or --nonfinite keep to write infinities"},
    {"value-solve", ONEFOLD_E_VALUE, "onefold compare shows what is unusual about the inputs"},
    {"verify-content", ONEFOLD_E_DIFFERS,
     "the data is damaged in the range named; make the output again"},
    {"verify-count", ONEFOLD_E_DIFFERS, NULL},
    {"verify-extra", ONEFOLD_E_DIFFERS, "a file that does not belong there"},
    {"verify-findings", ONEFOLD_E_DIFFERS, NULL},
    {"verify-finite", ONEFOLD_E_DIFFERS,
     "the number of NaN and infinities is not the recorded one"},
    {"verify-missing", ONEFOLD_E_DIFFERS, "a file is missing; make the output again"},
    {"verify-size", ONEFOLD_E_DIFFERS, "the file does not have the recorded size"},
    {"verify-skipped", ONEFOLD_OK, NULL},
    {"verify-stale", ONEFOLD_E_DIFFERS, "a shard that belongs to another set"},
    {"verify-structure", ONEFOLD_E_DIFFERS, NULL},
    {"verify-sum", ONEFOLD_E_DIFFERS, "the file is not the one the list was made from"},
    {"verify-tensor", ONEFOLD_E_DIFFERS, "the tensor is not as the manifest records it"},
    {"verify-unfinished", ONEFOLD_E_DIFFERS,
     "an unfinished output of the same name lies beside it"},
};

static const struct id_row *find_row(const char *id)
{
    size_t low = 0;
    size_t high = OF_LENGTH(id_rows);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(id, id_rows[middle].id);

        if (order == 0) {
            return &id_rows[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

/* The row of an id of ours. An unknown one is a mistake in this program, named before the abort. */
static const struct id_row *row_of(const char *id)
{
    const struct id_row *row = find_row(id);

    if (OF_UNLIKELY(row == NULL)) {
        char text[96];

        (void)snprintf(text, sizeof(text), "error id \"%s\" is in the table", id);
        of_check_failed(__FILE__, __LINE__, text);
    }
    return row;
}

/* Cuts a message that filled its buffer where a character begins, so that it stays UTF-8. */
static void close_message(char *message, size_t size, int length)
{
    size_t at = size - 1;

    if (length < 0) {
        message[0] = '\0';
        return;
    }
    if ((size_t)length < size) {
        return;
    }
    while (at > 0 && ((unsigned char)message[at - 1] & 0xc0) == 0x80) {
        at--;
    }
    if (at > 0 && (unsigned char)message[at - 1] >= 0xc0) {
        at--;
    }
    message[at] = '\0';
}

static void fill(onefold_error *err, const char *id, const char *format, va_list args)
    OF_PRINTF(3, 0);

static void fill(onefold_error *err, const char *id, const char *format, va_list args)
{
    const struct id_row *row = row_of(id);
    char message[sizeof(err->message)];
    int length = vsnprintf(message, sizeof(message), format, args);

    /* The arguments may point into the old message, so it is replaced only now. */
    close_message(message, sizeof(message), length);
    memcpy(err->message, message, sizeof(message));
    err->status = row->status;
    err->state = ONEFOLD_STATE_NONE;
    err->sys_errno = 0;
    err->id = row->id;
    err->hint = row->hint;
    err->offset = UINT64_MAX;
}

onefold_status(of_err_set)(onefold_error *err, const char *id, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fill(err, id, format, args);
    va_end(args);
    return err->status;
}

onefold_status(of_err_set_sys)(onefold_error *err, const char *id, int sys_errno,
                               const char *format, ...)
{
    const char *name = strerrorname_np(sys_errno);
    const char *text = strerrordesc_np(sys_errno);
    size_t used;
    int length;
    va_list args;

    va_start(args, format);
    fill(err, id, format, args);
    va_end(args);
    err->sys_errno = sys_errno;
    used = strlen(err->message);
    if (name != NULL && text != NULL) {
        length = snprintf(err->message + used, sizeof(err->message) - used, ": %s, %s", name, text);
    } else {
        length =
            snprintf(err->message + used, sizeof(err->message) - used, ": errno %d", sys_errno);
    }
    close_message(err->message + used, sizeof(err->message) - used, length);
    return err->status;
}

onefold_status(of_err_prefix)(onefold_error *err, const char *format, ...)
{
    char message[sizeof(err->message)];
    va_list args;
    size_t used;
    int length;

    va_start(args, format);
    length = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    close_message(message, sizeof(message), length);
    used = strlen(message);
    length = snprintf(message + used, sizeof(message) - used, ": %s", err->message);
    close_message(message + used, sizeof(message) - used, length);
    memcpy(err->message, message, sizeof(message));
    return err->status;
}

void of_err_clear(onefold_error *err)
{
    memset(err, 0, sizeof(*err));
    err->offset = UINT64_MAX;
}

const char *of_err_hint(const char *id)
{
    return row_of(id)->hint;
}

onefold_status of_err_status(const char *id)
{
    return row_of(id)->status;
}

/* Counts a finding and hands it on. */
static void deliver(struct of_report *report, const onefold_notice *notice)
{
    switch (notice->level) {
    case ONEFOLD_LEVEL_NOTE:
        report->note_count++;
        break;
    case ONEFOLD_LEVEL_WARNING:
        report->warning_count++;
        break;
    case ONEFOLD_LEVEL_ERROR:
        report->error_count++;
        if (report->error_count == 1) {
            (void)of_err_set(&report->first_error, notice->id, "%s", notice->message);
        }
        break;
    }
    if (report->fn != NULL) {
        report->fn(report->context, notice);
    }
}

/* What a finding is about, apart from its text. */
struct finding {
    onefold_level level;
    const char *id;
    const char *file;
    struct of_mark mark;
    const char *hint;
};

static void report_finding(struct of_report *report, const struct finding *finding,
                           const char *format, va_list args) OF_PRINTF(3, 0);

static void report_finding(struct of_report *report, const struct finding *finding,
                           const char *format, va_list args)
{
    const struct id_row *row = row_of(finding->id);
    char message[sizeof(report->first_error.message)];
    onefold_notice notice = {.level = finding->level,
                             .id = row->id,
                             .file = finding->file,
                             .line = finding->mark.line,
                             .column = finding->mark.column,
                             .message = message,
                             .hint = finding->hint != NULL ? finding->hint : row->hint};

    close_message(message, sizeof(message), vsnprintf(message, sizeof(message), format, args));
    deliver(report, &notice);
}

void of_report_note(struct of_report *report, const char *id, const char *file, const char *format,
                    ...)
{
    const struct finding finding = {.level = ONEFOLD_LEVEL_NOTE, .id = id, .file = file};
    va_list args;

    va_start(args, format);
    report_finding(report, &finding, format, args);
    va_end(args);
}

void of_report_warning(struct of_report *report, const char *id, const char *file,
                       const char *format, ...)
{
    const struct finding finding = {.level = ONEFOLD_LEVEL_WARNING, .id = id, .file = file};
    va_list args;

    va_start(args, format);
    report_finding(report, &finding, format, args);
    va_end(args);
}

void of_report_error(struct of_report *report, const char *id, const char *file, const char *format,
                     ...)
{
    const struct finding finding = {.level = ONEFOLD_LEVEL_ERROR, .id = id, .file = file};
    va_list args;

    va_start(args, format);
    report_finding(report, &finding, format, args);
    va_end(args);
}

void of_report_at(struct of_report *report, onefold_level level, const char *id, const char *file,
                  struct of_mark mark, const char *hint, const char *format, ...)
{
    const struct finding finding = {
        .level = level, .id = id, .file = file, .mark = mark, .hint = hint};
    va_list args;

    va_start(args, format);
    report_finding(report, &finding, format, args);
    va_end(args);
}

void of_report_err(struct of_report *report, const char *file, const onefold_error *err)
{
    onefold_notice notice = {.level = ONEFOLD_LEVEL_ERROR,
                             .id = err->id,
                             .file = file,
                             .message = err->message,
                             .hint = err->hint};

    of_assert(err->id != NULL);
    deliver(report, &notice);
    if (report->error_count == 1) {
        report->first_error = *err;
    }
}

const char *onefold_status_name(onefold_status status)
{
    switch (status) {
    case ONEFOLD_OK:
        return "ok";
    case ONEFOLD_E_DIFFERS:
        return "E_DIFFERS";
    case ONEFOLD_E_ARGUMENT:
        return "E_ARGUMENT";
    case ONEFOLD_E_RECIPE:
        return "E_RECIPE";
    case ONEFOLD_E_EXISTS:
        return "E_EXISTS";
    case ONEFOLD_E_MISSING:
        return "E_MISSING";
    case ONEFOLD_E_FORMAT:
        return "E_FORMAT";
    case ONEFOLD_E_MISMATCH:
        return "E_MISMATCH";
    case ONEFOLD_E_UNSUPPORTED:
        return "E_UNSUPPORTED";
    case ONEFOLD_E_VALUE:
        return "E_VALUE";
    case ONEFOLD_E_SPACE:
        return "E_SPACE";
    case ONEFOLD_E_MEMORY:
        return "E_MEMORY";
    case ONEFOLD_E_IO:
        return "E_IO";
    case ONEFOLD_E_INTERNAL:
        return "E_INTERNAL";
    case ONEFOLD_E_CANCELLED:
        return "E_CANCELLED";
    }
    return "?";
}

const char *onefold_state_name(onefold_state state)
{
    static const char *const names[] = {
        [ONEFOLD_STATE_NONE] = "none", [ONEFOLD_STATE_KEEP] = "keep",
        [ONEFOLD_STATE_DROP] = "drop", [ONEFOLD_STATE_READY] = "ready",
        [ONEFOLD_STATE_DONE] = "done", [ONEFOLD_STATE_SAME] = "same"};

    return (unsigned)state < OF_LENGTH(names) ? names[state] : "?";
}

const char *onefold_error_id_at(uint64_t index, onefold_status *ret_status)
{
    if (index >= OF_LENGTH(id_rows)) {
        return NULL;
    }
    if (ret_status != NULL) {
        *ret_status = id_rows[index].status;
    }
    return id_rows[index].id;
}
