# Real processes.
SYSTEM_TESTS = \
	tests/system/test_clients.py \
	tests/system/test_cluster.py \
	tests/system/test_compact.py \
	tests/system/test_daemon.py \
	tests/system/test_errors.py \
	tests/system/test_errors_forwarded.py \
	tests/system/test_http.py \
	tests/system/test_install.py \
	tests/system/test_manual.py \
	tests/system/test_member.py \
	tests/system/test_member_faults.py \
	tests/system/test_member_returns.py \
	tests/system/test_raftctl_change.py \
	tests/system/test_rescue.py \
	tests/system/test_shutdown.py \
	tests/system/test_snapshot.py \
	tests/system/test_upgrade.py \
	tests/system/test_why.py
TESTS += $(SYSTEM_TESTS)
dist_noinst_SCRIPTS += $(SYSTEM_TESTS)
EXTRA_DIST += tests/system/cluster.py tests/system/history.py \
	tests/system/use_hiredis.c

# A node that speaks a version of the peer protocol that there is not yet, too.
check_PROGRAMS += tests/raftsc-next
tests_raftsc_next_SOURCES = $(raftsc_SOURCES) \
	$(src_daemon_libdaemon_a_SOURCES) $(src_node_libnode_a_SOURCES) \
	$(src_wire_libwire_a_SOURCES)
tests_raftsc_next_CPPFLAGS = $(AM_CPPFLAGS) -DFRAME_VERSION_MAX=2
tests_raftsc_next_LDADD = src/store/libstore.a src/core/libcore.a \
	src/base/libbase.a $(EVENT_LIBS) $(INIH_LIBS) $(SQLITE_LIBS)

# A disk that hangs when it is told to.
check_PROGRAMS += tests/raftsc-stuck
tests_raftsc_stuck_SOURCES = $(raftsc_SOURCES) tests/system/stuck_disk.c
tests_raftsc_stuck_LDADD = $(raftsc_LDADD)
