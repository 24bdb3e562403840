# wire: RESP and the frames of peers.
WIRE_TEST_LIBS = src/wire/libwire.a src/core/libcore.a src/base/libbase.a \
	$(CMOCKA_LIBS)

WIRE_TESTS = tests/test_resp tests/test_frame
check_PROGRAMS += $(WIRE_TESTS)
TESTS += $(WIRE_TESTS)
tests_test_resp_LDADD = $(WIRE_TEST_LIBS)
tests_test_frame_LDADD = $(WIRE_TEST_LIBS)
