#include "base/digest.h"

#include <stdlib.h>

#include "check.h"

static void nothing_has_the_digest_that_xxh3_gives_it(void **state)
{
    (void)state;
    char hex[DIGEST_SIZE * 2 + 1];
    digest_to_hex(digest_of("", 0), hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    assert_false(digest_is_zero(digest_of("", 0)));
    assert_true(digest_is_zero((struct digest){{0}}));
}

/* Small entries are hashed in one piece, large ones as a stream. */
static void a_chain_is_the_digest_of_its_parts_in_a_row(void **state)
{
    (void)state;
    struct digest before = digest_of("before", 6);
    for (size_t size = 0; size < 5000; size += 97) {
        uint8_t *all = calloc(1, 16 + 4 + 3 + size);
        memcpy(all, before.bytes, 16);
        memcpy(all + 16, "head", 4);
        memcpy(all + 20, "key", 3);
        memset(all + 23, 'p', size);
        struct digest chain =
            digest_chain(before, "head", 4, "key", 3, all + 23, size);
        assert_true(digest_equal(chain, digest_of(all, 23 + size)));
        free(all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_has_the_digest_that_xxh3_gives_it),
        cmocka_unit_test(a_chain_is_the_digest_of_its_parts_in_a_row),
    };
    return RUN(tests);
}
