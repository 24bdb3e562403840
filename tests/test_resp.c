#include "wire/resp.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/prng.h"
#include "check.h"

/* What a stream of bytes parses to, as one text: [a][b] for a request of two
 * words, <5> for a word that was thrown away, ! and the error at its end. */
static char *parse_cut(const char *input, size_t size, size_t cut,
                       size_t word_max)
{
    struct resp_parser *parser = resp_parser_new(word_max, word_max * 4);
    struct buf shown = {0};
    const uint8_t *at = (const uint8_t *)input;
    size_t parts[] = {cut, size - cut};
    for (int i = 0; i < 2; i++) {
        /* Each part in memory of its own, so that no word points to what is
         * gone. */
        uint8_t *part = malloc(parts[i] + 1);
        memcpy(part, at, parts[i]);
        at += parts[i];
        const uint8_t *data = part;
        size_t left = parts[i];
        struct resp_request request;
        enum resp_result result;
        while ((result = resp_parser_next(parser, &data, &left, &request)) ==
               RESP_REQUEST) {
            for (size_t w = 0; w < request.count; w++) {
                const struct resp_word *word = &request.words[w];
                if (word->data == NULL) {
                    buf_printf(&shown, "<%zu>", word->size);
                } else {
                    buf_printf(&shown, "[%.*s]", (int)word->size, word->data);
                }
            }
            buf_append_text(&shown, ";");
        }
        if (result == RESP_BAD && i == 1) {
            buf_printf(&shown, "!%s", resp_parser_error(parser));
        }
        memset(part, '#', parts[i]);
        free(part);
    }
    resp_parser_free(parser);
    buf_append_u8(&shown, '\0');
    return (char *)shown.data;
}

static void gives(const char *input, const char *expected)
{
    size_t size = strlen(input);
    for (size_t cut = 0; cut <= size; cut++) {
        char *shown = parse_cut(input, size, cut, 100);
        assert_string_equal(shown, expected);
        free(shown);
    }
}

static void arrays_are_parsed_wherever_they_are_cut(void **state)
{
    (void)state;
    gives("*2\r\n$6\r\nSUBMIT\r\n$5\r\nhello\r\n*1\r\n$4\r\nPING\r\n",
          "[SUBMIT][hello];[PING];");
    gives("*1\r\n$0\r\n\r\n", "[];");
    gives("*0\r\n*-1\r\n\r\n\n*1\n$1\na\r\n", "[a];");
}

static void inline_lines_are_split_as_redis_cli_does(void **state)
{
    (void)state;
    gives("PING\r\n", "[PING];");
    gives("SUBMIT hello\n", "[SUBMIT][hello];");
    gives("  a   b  \r\n\r\nc\n", "[a][b];[c];");
    gives("a \"b c\" 'd e' \"\\x41\\n\\\"\" 'it\\'s' \"\"\n",
          "[a][b c][d e][A\n\"][it's][];");
    gives("a \"b\n", "!Protocol error: unbalanced quotes in request");
    gives("a \"b\"c\n", "!Protocol error: unbalanced quotes in request");
}

static void words_over_the_limit_are_read_and_thrown_away(void **state)
{
    (void)state;
    char input[400] = "*2\r\n$6\r\nSUBMIT\r\n$200\r\n";
    memset(input + strlen(input), 'x', 200);
    strcat(input, "\r\n*1\r\n$4\r\nPING\r\n");
    gives(input, "[SUBMIT]<200>;[PING];");
}

static void malformed_streams_are_named(void **state)
{
    (void)state;
    gives("*1\r\n$-1\r\n", "!Protocol error: invalid bulk length: expected 0 "
                           "to 536870912");
    gives("*1\r\n$536870913\r\n", "!Protocol error: invalid bulk length: "
                                  "expected 0 to 536870912");
    gives("*1\r\n$4\r\nPINGxx",
          "!Protocol error: expected CRLF behind a bulk string");
    gives("*2\r\n$2\r\nab\n$1\r\na\r\n",
          "!Protocol error: expected CRLF behind a bulk string");
    gives("*1\r\nPING\r\n", "!Protocol error: expected '$', got 'P'");
    gives("*9999999\r\n", "!Protocol error: invalid multibulk length: "
                          "expected at most 1024");
    gives("*x\r\n", "!Protocol error: invalid multibulk length: expected at "
                    "most 1024");
}

static void a_line_that_never_ends_costs_no_more_than_64_kib(void **state)
{
    (void)state;
    struct resp_parser *parser = resp_parser_new(1000, 1000);
    struct resp_request request;
    uint8_t line[4096];
    memset(line, 'a', sizeof(line));
    enum resp_result result = RESP_MORE;
    for (int i = 0; i < 100 && result == RESP_MORE; i++) {
        const uint8_t *data = line;
        size_t size = sizeof(line);
        result = resp_parser_next(parser, &data, &size, &request);
        assert_true(resp_parser_held(parser) <= RESP_INLINE_MAX + 4096);
    }
    assert_int_equal(result, RESP_BAD);
    resp_parser_free(parser);
}

/* A stranger that announces much and sends little costs little. */
static void memory_grows_with_what_comes_not_with_what_is_said(void **state)
{
    (void)state;
    struct resp_parser *parser =
        resp_parser_new((size_t)64 << 20, (size_t)64 << 20);
    struct resp_request request;
    const uint8_t *data = (const uint8_t *)"*1\r\n$60000000\r\nabc";
    size_t size = 19;
    assert_int_equal(resp_parser_next(parser, &data, &size, &request),
                     RESP_MORE);
    assert_true(resp_parser_held(parser) < 1000);
    assert_true(blob_bytes_total() < 1000);
    resp_parser_free(parser);
}

static void a_long_word_is_one_blob(void **state)
{
    (void)state;
    struct resp_parser *parser = resp_parser_new(1 << 20, 1 << 20);
    struct buf input = {0};
    struct resp_request request = {0};
    buf_append_text(&input, "*1\r\n$100000\r\n");
    for (int i = 0; i < 100000; i++) {
        buf_append_u8(&input, (uint8_t)i);
    }
    buf_append_text(&input, "\r\n");
    const uint8_t *data = input.data;
    size_t size = input.size;
    assert_int_equal(resp_parser_next(parser, &data, &size, &request),
                     RESP_REQUEST);
    struct blob *blob = resp_word_blob(&request.words[0]);
    assert_ptr_equal(blob, request.words[0].blob);
    resp_parser_free(parser);
    assert_int_equal(blob->size, 100000);
    assert_memory_equal(blob->data, input.data + 13, 100000);
    blob_free(blob);
    buf_free(&input);
}

static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    struct prng prng;
    static const char likely[] = "*$\r\n0123456789-PINGab\"'\\ ";
    prng_seed(&prng, 11);
    for (int round = 0; round < 20000; round++) {
        char input[64];
        size_t size = (size_t)prng_below(&prng, sizeof(input));
        for (size_t i = 0; i < size; i++) {
            input[i] = prng_chance(&prng, 10)
                           ? (char)prng_u64(&prng)
                           : likely[prng_below(&prng, sizeof(likely) - 1)];
        }
        free(parse_cut(input, size, (size_t)prng_range(&prng, 0, size), 16));
    }
}

/* ---- replies ------------------------------------------------------------ */

static void flatten(const struct out *out, struct buf *buf)
{
    struct out_cursor cursor = out_begin(out);
    struct out_span span;
    while (out_next(&cursor, &span)) {
        buf_append(buf, span.data, span.size);
    }
}

static void replies_are_written_and_read_back(void **state)
{
    (void)state;
    struct out out = {0};
    struct buf bytes = {0};
    resp_write_push(&out, 5, 3);
    resp_write_integer(&out, INT64_MIN);
    resp_write_text(&out, "hello");
    resp_write_nil(&out, 3);
    resp_write_map(&out, 1, 3);
    resp_write_simple(&out, "key");
    resp_write_array(&out, 0);
    resp_write_error(&out, "ERR two\r\nlines");
    flatten(&out, &bytes);
    struct resp_value value;
    size_t used = 0;
    for (size_t cut = 0; cut < bytes.size; cut++) {
        assert_int_equal(
            resp_reply_parse((char *)bytes.data, cut, &value, &used),
            RESP_REPLY_MORE);
    }
    assert_int_equal(
        resp_reply_parse((char *)bytes.data, bytes.size, &value, &used),
        RESP_REPLY);
    assert_int_equal(used, bytes.size);
    assert_int_equal(value.type, RESP_PUSH);
    assert_int_equal(value.count, 5);
    assert_true(value.children[0].integer == INT64_MIN);
    assert_memory_equal(value.children[1].data, "hello", 5);
    assert_int_equal(value.children[2].type, RESP_NIL);
    assert_int_equal(value.children[3].type, RESP_MAP);
    assert_int_equal(value.children[3].count, 2);
    assert_int_equal(value.children[4].type, RESP_ERROR);
    assert_memory_equal(value.children[4].data, "ERR two  lines", 14);
    resp_value_clear(&value);
    buf_free(&bytes);
    out_free(&out);
}

static void resp2_has_arrays_for_maps_and_pushes(void **state)
{
    (void)state;
    struct out out = {0};
    struct buf bytes = {0};
    resp_write_map(&out, 2, 2);
    resp_write_push(&out, 3, 2);
    resp_write_nil(&out, 2);
    flatten(&out, &bytes);
    assert_memory_equal(bytes.data, "*4\r\n*3\r\n$-1\r\n", 13);
    buf_free(&bytes);
    out_free(&out);
}

static void malformed_replies_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "x\r\n",
        ":a\r\n",
        "$-2\r\n",
        "*-5\r\n",
        "$3\r\nabcde\r\n",
        "\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"};
    struct resp_value value;
    size_t used;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(
            resp_reply_parse(wrong[i], strlen(wrong[i]), &value, &used),
            RESP_REPLY_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_parsed_wherever_they_are_cut),
        cmocka_unit_test(inline_lines_are_split_as_redis_cli_does),
        cmocka_unit_test(words_over_the_limit_are_read_and_thrown_away),
        cmocka_unit_test(malformed_streams_are_named),
        cmocka_unit_test(a_line_that_never_ends_costs_no_more_than_64_kib),
        cmocka_unit_test(memory_grows_with_what_comes_not_with_what_is_said),
        cmocka_unit_test(a_long_word_is_one_blob),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(replies_are_written_and_read_back),
        cmocka_unit_test(resp2_has_arrays_for_maps_and_pushes),
        cmocka_unit_test(malformed_replies_are_refused),
    };
    return RUN(tests);
}
