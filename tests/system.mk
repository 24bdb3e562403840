# Real processes.
SYSTEM_TESTS = tests/system/test_clients.py tests/system/test_cluster.py \
	tests/system/test_daemon.py tests/system/test_errors.py \
	tests/system/test_errors_forwarded.py tests/system/test_rescue.py \
	tests/system/test_why.py
TESTS += $(SYSTEM_TESTS)
dist_noinst_SCRIPTS += $(SYSTEM_TESTS)
EXTRA_DIST += tests/system/cluster.py tests/system/history.py \
	tests/system/use_hiredis.c
