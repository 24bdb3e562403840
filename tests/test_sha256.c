#include "base/hasher.h"

#include <stdlib.h>

#include "check.h"

/* FIPS 180-4's own examples, and messages whose padding has or needs another
 * block. */
static const struct {
    const char *text;
    size_t repeat;
    const char *hex;
} vectors[] = {
    {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", 1,
     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"a", 1000000,
     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    {"a", 55,
     "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
    {"a", 64,
     "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
};

#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static size_t make(size_t at, char **message)
{
    size_t part = strlen(vectors[at].text);
    size_t size = part * vectors[at].repeat;
    *message = malloc(size + 1);
    for (size_t i = 0; i < vectors[at].repeat; i++) {
        memcpy(*message + i * part, vectors[at].text, part + 1);
    }
    return size;
}

static void known_messages_have_their_hashes(void **state)
{
    (void)state;
    struct sha256 *sha = sha256_new();
    for (size_t i = 0; i < VECTORS; i++) {
        char *message;
        char hex[SHA256_HEX_SIZE];
        uint8_t hash[SHA256_SIZE];
        size_t size = make(i, &message);
        sha256_plain(message, size, hash);
        sha256_to_hex(hash, hex);
        assert_string_equal(hex, vectors[i].hex);
        sha256_add(sha, message, size);
        sha256_end(sha, hash);
        sha256_to_hex(hash, hex);
        assert_string_equal(hex, vectors[i].hex);
        free(message);
    }
    sha256_free(sha);
}

static void pieces_of_any_size_make_the_same(void **state)
{
    (void)state;
    uint8_t message[500];
    uint8_t whole[SHA256_SIZE];
    uint8_t hash[SHA256_SIZE];
    struct sha256 *sha = sha256_new();
    for (size_t i = 0; i < sizeof(message); i++) {
        message[i] = (uint8_t)(i * 7);
    }
    for (size_t size = 0; size <= sizeof(message); size++) {
        sha256_plain(message, size, whole);
        for (size_t at = 0; at < size; at += 37) {
            sha256_add(sha, message + at, size - at < 37 ? size - at : 37);
        }
        sha256_end(sha, hash);
        assert_memory_equal(hash, whole, SHA256_SIZE);
    }
    sha256_free(sha);
}

static void a_thread_makes_the_same(void **state)
{
    (void)state;
    static uint8_t bytes[300001];
    uint8_t wanted[SHA256_SIZE];
    uint8_t hash[SHA256_SIZE];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * i >> 5);
    }
    sha256_plain(bytes, sizeof(bytes), wanted);
    for (int threaded = 0; threaded < 2; threaded++) {
        struct hasher *hasher = hasher_new(threaded == 1);
        for (int time = 0; time < 2; time++) {
            for (size_t at = 0; at < sizeof(bytes); at += 1000) {
                size_t left = sizeof(bytes) - at;
                hasher_add(hasher, bytes + at, left < 1000 ? left : 1000);
            }
            hasher_add(hasher, bytes, 0);
            hasher_end(hasher, hash);
            assert_memory_equal(hash, wanted, SHA256_SIZE);
        }
        hasher_add(hasher, bytes, 1); /* and is freed without its end */
        hasher_free(hasher);
    }
    hasher_free(NULL);
}

static void hex_is_read_back_and_nothing_else(void **state)
{
    (void)state;
    uint8_t hash[SHA256_SIZE];
    uint8_t again[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    sha256_plain("x", 1, hash);
    sha256_to_hex(hash, hex);
    assert_true(sha256_from_hex(hex, again));
    assert_memory_equal(hash, again, SHA256_SIZE);
    hex[5] = 'G';
    assert_false(sha256_from_hex(hex, again));
    hex[5] = '\0';
    assert_false(sha256_from_hex(hex, again));
    assert_false(sha256_from_hex("", again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_messages_have_their_hashes),
        cmocka_unit_test(pieces_of_any_size_make_the_same),
        cmocka_unit_test(a_thread_makes_the_same),
        cmocka_unit_test(hex_is_read_back_and_nothing_else),
    };
    return RUN(tests);
}
