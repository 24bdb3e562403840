/* The figures of bench, for people and as JSON. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/bench.h"
#include "ctl/json.h"

#define ROWS_MAX 28 /* of the histogram on a screen */
#define BAR_WIDTH 50

static const struct {
    const char *name;
    double percent;
} percentiles[] = {
    {"p50", 50}, {"p90", 90}, {"p99", 99}, {"p999", 99.9}, {"p9999", 99.99}};

#define PERCENTILE_COUNT (sizeof(percentiles) / sizeof(percentiles[0]))

char *bench_time(char out[BENCH_TIME_SIZE], uint64_t us)
{
    double ms = (double)us / 1000;

    snprintf(out, BENCH_TIME_SIZE, "%.*f",
             ms < 1      ? 3
             : ms < 10   ? 2
             : ms < 1000 ? 1
                         : 0,
             ms);
    return out;
}

static double per_second(const struct bench_result *result, uint64_t count)
{
    if (result->elapsed_us == 0)
        return 0;
    return (double)count * 1e6 / (double)result->elapsed_us;
}

/* ---- the histogram ------------------------------------------------------ */

/* Where row `i` begins: four rows, of equal width, for each power of two; with
 * `coarse` 1 two of them, with 2 one. */
static uint64_t row_begin(size_t i, unsigned coarse)
{
    i <<= coarse;
    return i == 0 ? 0 : (uint64_t)(4 + i % 4) << (i / 4);
}

static size_t row_of(uint64_t us, unsigned coarse)
{
    size_t i = 0;

    while (row_begin(i + 1, coarse) <= us)
        i++;
    return i;
}

static void print_row(const struct histogram *all, size_t row, unsigned coarse,
                      uint64_t most, FILE *file)
{
    uint64_t begin_us = row_begin(row, coarse);
    uint64_t end_us = row_begin(row + 1, coarse);
    uint64_t count = histogram_between(all, begin_us, end_us - 1);
    char from[BENCH_TIME_SIZE], to[BENCH_TIME_SIZE], bar[BAR_WIDTH + 1];
    size_t width = (size_t)((double)count / (double)most * BAR_WIDTH + 0.5);

    memset(bar, '#', width);
    bar[width] = 0;
    fprintf(file, "%8s .. %-8s %6.2f%%%s%s\n", bench_time(from, begin_us),
            bench_time(to, end_us), (double)count * 100 / (double)all->count,
            width > 0 ? " " : "", bar);
}

/* Rows in which there is nothing are one line of dots. */
static void print_rows(const struct histogram *all, size_t first, size_t last,
                       unsigned coarse, FILE *file)
{
    bool dots = false;
    uint64_t most = 1;

    for (size_t i = first; i <= last; i++) {
        uint64_t count = histogram_between(all, row_begin(i, coarse),
                                           row_begin(i + 1, coarse) - 1);

        most = count > most ? count : most;
    }
    for (size_t i = first; i <= last; i++) {
        bool empty = histogram_between(all, row_begin(i, coarse),
                                       row_begin(i + 1, coarse) - 1) == 0;

        if (!empty)
            print_row(all, i, coarse, most, file);
        else if (!dots)
            fprintf(file, "%11s\n", "..");
        dots = empty;
    }
}

/* From the shortest to what 999 of 1000 do not exceed, in as many rows as a
 * screen shows; the rest is one number. */
static void print_histogram(const struct histogram *all, FILE *file)
{
    uint64_t last_us = histogram_percentile_us(all, 99.9);
    unsigned coarse = 0;
    size_t first, last;
    uint64_t rest;

    while (coarse < 2 &&
           row_of(last_us, coarse) - row_of(all->min_us, coarse) >= ROWS_MAX)
        coarse++;
    first = row_of(all->min_us, coarse);
    last = row_of(last_us, coarse);
    fputs("\nlatency in ms, of all that was answered\n", file);
    print_rows(all, first, last, coarse, file);
    rest = histogram_between(all, row_begin(last + 1, coarse), UINT64_MAX);
    if (rest > 0)
        fprintf(file, "%20s %6.2f%%\n", "longer",
                (double)rest * 100 / (double)all->count);
}

/* ---- for people --------------------------------------------------------- */

static void add_row(struct table *table, const char *name,
                    const struct histogram *answered, uint64_t errors,
                    const struct bench_result *result)
{
    char text[BENCH_TIME_SIZE];

    table_add(table, STYLE_PLAIN, name);
    snprintf(text, sizeof(text), "%" PRIu64, answered->count);
    table_add(table, STYLE_PLAIN, text);
    snprintf(text, sizeof(text), "%" PRIu64, errors);
    table_add(table, errors > 0 ? STYLE_BAD : STYLE_PLAIN, text);
    snprintf(text, sizeof(text), "%.0f", per_second(result, answered->count));
    table_add(table, STYLE_GOOD, text);
    for (size_t i = 0; i < PERCENTILE_COUNT; i++)
        table_add(table, STYLE_PLAIN,
                  bench_time(text, histogram_percentile_us(
                                       answered, percentiles[i].percent)));
    table_add(table, STYLE_PLAIN, bench_time(text, answered->max_us));
}

static void print_table(const struct bench_plan *plan,
                        const struct bench_result *result,
                        const struct histogram *all,
                        const struct screen *screen)
{
    static const struct table_column columns[] = {
        {"", false, false},      {"ANSWERED", true, false},
        {"ERRORS", true, false}, {"PER S", true, false},
        {"P50/MS", true, false}, {"P90", true, false},
        {"P99", true, false},    {"P99.9", true, false},
        {"P99.99", true, false}, {"MAX", true, false},
    };
    struct table *table =
        table_new(columns, sizeof(columns) / sizeof(columns[0]));
    uint64_t errors = 0;
    unsigned used = 0;

    for (unsigned kind = 0; kind < BENCH_KINDS; kind++) {
        if (plan->shares[kind] == 0)
            continue;
        add_row(table, bench_names[kind], &result->answered[kind],
                result->errors[kind], result);
        errors += result->errors[kind];
        used++;
    }
    if (used > 1)
        add_row(table, "all", all, errors, result);
    table_print(table, screen);
    table_free(table);
}

static struct histogram *merge(const struct bench_result *result)
{
    struct histogram *all = x_calloc(1, sizeof(*all));

    for (unsigned kind = 0; kind < BENCH_KINDS; kind++)
        histogram_merge(all, &result->answered[kind]);
    return all;
}

void bench_print(const struct bench_plan *plan,
                 const struct bench_result *result, const struct screen *screen)
{
    struct histogram *all = merge(result);

    print_table(plan, result, all, screen);
    for (size_t i = 0; i < BENCH_ERRORS_MAX && result->codes[i].count > 0; i++)
        fprintf(screen->file, "%s%" PRIu64 " times %s\n", i == 0 ? "\n" : "",
                result->codes[i].count, result->codes[i].text);
    if (all->count > 0)
        print_histogram(all, screen->file);
    free(all);
}

/* ---- as JSON ------------------------------------------------------------ */

static void json_latency(struct json *json, const struct histogram *answered)
{
    json_name(json, "latency_us");
    json_open(json, '{');
    json_named_u64(json, "mean",
                   answered->count == 0 ? 0
                                        : answered->sum_us / answered->count);
    json_named_u64(json, "min", answered->min_us);
    for (size_t i = 0; i < PERCENTILE_COUNT; i++)
        json_named_u64(
            json, percentiles[i].name,
            histogram_percentile_us(answered, percentiles[i].percent));
    json_named_u64(json, "max", answered->max_us);
    json_close(json, '}');
}

/* [[end_us, count], …]: how many took less than end_us, and no less than the
 * end before; those of which there are none are left out. */
static void json_histogram(struct json *json, const struct histogram *answered)
{
    json_name(json, "histogram");
    json_open(json, '[');
    for (size_t i = 0; row_begin(i, 0) <= answered->max_us; i++) {
        uint64_t end_us = row_begin(i + 1, 0);
        uint64_t count =
            histogram_between(answered, row_begin(i, 0), end_us - 1);

        if (count == 0)
            continue;
        json_open(json, '[');
        json_u64(json, end_us);
        json_u64(json, count);
        json_close(json, ']');
    }
    json_close(json, ']');
}

static void json_kind(struct json *json, const char *name,
                      const struct histogram *answered, uint64_t errors,
                      const struct bench_result *result)
{
    json_open(json, '{');
    json_named_text(json, "request", name);
    json_named_u64(json, "answered", answered->count);
    json_named_u64(json, "errors", errors);
    json_named_u64(json, "per_second",
                   (uint64_t)(per_second(result, answered->count) + 0.5));
    json_latency(json, answered);
    json_histogram(json, answered);
    json_close(json, '}');
}

static void json_errors(struct json *json, const struct bench_result *result)
{
    json_name(json, "errors");
    json_open(json, '{');
    for (size_t i = 0; i < BENCH_ERRORS_MAX && result->codes[i].count > 0; i++)
        json_named_u64(json, result->codes[i].code, result->codes[i].count);
    json_close(json, '}');
}

void bench_print_json(const struct bench_plan *plan,
                      const struct bench_result *result, FILE *file)
{
    struct json json = {0};

    json_open(&json, '{');
    json_named_u64(&json, "clients", plan->clients);
    json_named_u64(&json, "depth", plan->depth);
    json_named_u64(&json, "payload_bytes", plan->payload_bytes);
    json_name(&json, "keys");
    json_bool(&json, plan->keys);
    json_named_u64(&json, "rate", plan->rate);
    json_named_u64(&json, "elapsed_us", result->elapsed_us);
    json_named_u64(&json, "sent", result->sent);
    json_named_u64(&json, "unanswered", result->unanswered);
    json_errors(&json, result);
    json_name(&json, "requests");
    json_open(&json, '[');
    for (unsigned kind = 0; kind < BENCH_KINDS; kind++) {
        if (plan->shares[kind] > 0)
            json_kind(&json, bench_names[kind], &result->answered[kind],
                      result->errors[kind], result);
    }
    json_close(&json, ']');
    json_close(&json, '}');
    json_print(&json, file);
    json_free(&json);
}
