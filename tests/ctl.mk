# raftctl: unit tests of its parts, and the program against a scripted node.

CTL_TEST_LIBS = src/ctl/libctl.a src/wire/libwire.a \
	src/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/test_ctl_catchup
tests_test_ctl_catchup_SOURCES = tests/test_ctl_catchup.c
tests_test_ctl_catchup_LDADD = $(CTL_TEST_LIBS)
TESTS += tests/test_ctl_catchup

check_PROGRAMS += tests/test_ctl_escape
tests_test_ctl_escape_SOURCES = tests/test_ctl_escape.c
tests_test_ctl_escape_LDADD = $(CTL_TEST_LIBS)
TESTS += tests/test_ctl_escape

check_PROGRAMS += tests/test_ctl_histogram
tests_test_ctl_histogram_SOURCES = tests/test_ctl_histogram.c
tests_test_ctl_histogram_LDADD = $(CTL_TEST_LIBS)
TESTS += tests/test_ctl_histogram

check_PROGRAMS += tests/test_ctl_info
tests_test_ctl_info_SOURCES = tests/test_ctl_info.c
tests_test_ctl_info_LDADD = $(CTL_TEST_LIBS)
TESTS += tests/test_ctl_info

check_PROGRAMS += tests/test_ctl_json
tests_test_ctl_json_SOURCES = tests/test_ctl_json.c
tests_test_ctl_json_LDADD = $(CTL_TEST_LIBS)
TESTS += tests/test_ctl_json

check_PROGRAMS += tests/test_ctl_lines
tests_test_ctl_lines_SOURCES = tests/test_ctl_lines.c
tests_test_ctl_lines_LDADD = $(CTL_TEST_LIBS)
TESTS += tests/test_ctl_lines

check_PROGRAMS += tests/test_ctl_options
tests_test_ctl_options_SOURCES = tests/test_ctl_options.c
tests_test_ctl_options_LDADD = $(CTL_TEST_LIBS)
TESTS += tests/test_ctl_options

check_PROGRAMS += tests/test_ctl_scan
tests_test_ctl_scan_SOURCES = tests/test_ctl_scan.c
tests_test_ctl_scan_LDADD = $(CTL_TEST_LIBS)
TESTS += tests/test_ctl_scan

check_PROGRAMS += tests/test_ctl_table
tests_test_ctl_table_SOURCES = tests/test_ctl_table.c
tests_test_ctl_table_LDADD = $(CTL_TEST_LIBS)
TESTS += tests/test_ctl_table

TESTS += \
	tests/system/test_raftctl_bench.py \
	tests/system/test_raftctl_config.py \
	tests/system/test_raftctl_help.py \
	tests/system/test_raftctl_log.py \
	tests/system/test_raftctl_member.py \
	tests/system/test_raftctl_snapshot.py \
	tests/system/test_raftctl_standard.py \
	tests/system/test_raftctl_status.py \
	tests/system/test_raftctl_submit.py \
	tests/system/test_raftctl_transfer.py
EXTRA_DIST += \
	tests/system/test_raftctl_bench.py \
	tests/system/test_raftctl_config.py \
	tests/system/test_raftctl_help.py \
	tests/system/test_raftctl_log.py \
	tests/system/test_raftctl_member.py \
	tests/system/test_raftctl_snapshot.py \
	tests/system/test_raftctl_standard.py \
	tests/system/test_raftctl_status.py \
	tests/system/test_raftctl_submit.py \
	tests/system/test_raftctl_transfer.py \
	tests/system/raftctl_said.py \
	tests/system/raftctl_script.py
