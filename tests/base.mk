# base.
BASE_TEST_LIBS = src/base/libbase.a $(CMOCKA_LIBS)

BASE_TESTS = tests/test_blob tests/test_buf tests/test_crc32c \
	tests/test_digest tests/test_map tests/test_out tests/test_prng \
	tests/test_sha256 tests/test_text
check_PROGRAMS += $(BASE_TESTS)
TESTS += $(BASE_TESTS)
EXTRA_DIST += tests/check.h
tests_test_blob_LDADD = $(BASE_TEST_LIBS)
tests_test_buf_LDADD = $(BASE_TEST_LIBS)
tests_test_crc32c_LDADD = $(BASE_TEST_LIBS)
tests_test_digest_LDADD = $(BASE_TEST_LIBS)
tests_test_map_LDADD = $(BASE_TEST_LIBS)
tests_test_out_LDADD = $(BASE_TEST_LIBS)
tests_test_prng_LDADD = $(BASE_TEST_LIBS)
tests_test_sha256_LDADD = $(BASE_TEST_LIBS)
tests_test_text_LDADD = $(BASE_TEST_LIBS)
