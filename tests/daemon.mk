# The daemon's configuration, and the node's timers.
check_PROGRAMS += tests/test_latency tests/test_pace tests/test_settings \
	tests/test_wheel
TESTS += tests/test_latency tests/test_pace tests/test_settings \
	tests/test_wheel
tests_test_pace_LDADD = src/node/libnode.a $(CMOCKA_LIBS)
tests_test_latency_LDADD = src/node/libnode.a src/base/libbase.a $(CMOCKA_LIBS)
tests_test_settings_LDADD = src/daemon/libdaemon.a src/core/libcore.a \
	src/base/libbase.a $(INIH_LIBS) $(CMOCKA_LIBS)
tests_test_wheel_LDADD = src/node/libnode.a src/core/libcore.a \
	src/base/libbase.a $(CMOCKA_LIBS)

# A node whose disk hangs.
check_PROGRAMS += tests/test_health
TESTS += tests/test_health
tests_test_health_SOURCES = tests/test_health.c
tests_test_health_LDADD = src/node/libnode.a src/wire/libwire.a \
	src/core/libcore.a src/base/libbase.a $(CMOCKA_LIBS)
