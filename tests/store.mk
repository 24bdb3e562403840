# The store, with real files and crashed at every write.
STORE_TEST_LIBS = src/store/libstore.a src/core/libcore.a src/base/libbase.a \
	$(SQLITE_LIBS) $(CMOCKA_LIBS)
STORE_MODEL = tests/store_model.c tests/store_model.h

STORE_PLACE = tests/store_place.c tests/store_place.h

check_PROGRAMS += tests/test_store tests/test_store_carry \
	tests/test_store_crash \
	tests/test_store_check tests/test_store_keys \
	tests/test_store_rescue tests/test_store_rot \
	tests/test_store_snapshot \
	tests/test_store_upgrade
TESTS += tests/test_store tests/test_store_carry tests/test_store_check \
	tests/test_store_crash \
	tests/test_store_keys tests/test_store_rescue \
	tests/test_store_rot \
	tests/test_store_snapshot \
	tests/test_store_upgrade
tests_test_store_SOURCES = tests/test_store.c $(STORE_MODEL)
tests_test_store_LDADD = $(STORE_TEST_LIBS)
tests_test_store_carry_SOURCES = tests/test_store_carry.c \
	$(STORE_MODEL) $(STORE_PLACE)
tests_test_store_carry_LDADD = $(STORE_TEST_LIBS)
tests_test_store_crash_SOURCES = tests/test_store_crash.c \
	tests/crash_vfs.c tests/crash_vfs.h $(STORE_MODEL) $(STORE_PLACE)
tests_test_store_crash_LDADD = $(STORE_TEST_LIBS)
tests_test_store_check_SOURCES = tests/test_store_check.c \
	$(STORE_MODEL) $(STORE_PLACE)
tests_test_store_check_LDADD = $(STORE_TEST_LIBS)
tests_test_store_keys_SOURCES = tests/test_store_keys.c \
	tests/crash_vfs.c tests/crash_vfs.h $(STORE_MODEL) $(STORE_PLACE)
tests_test_store_keys_LDADD = $(STORE_TEST_LIBS)
tests_test_store_rescue_SOURCES = tests/test_store_rescue.c \
	$(STORE_MODEL) $(STORE_PLACE)
tests_test_store_rescue_LDADD = $(STORE_TEST_LIBS)
tests_test_store_rot_SOURCES = tests/test_store_rot.c \
	$(STORE_MODEL) $(STORE_PLACE)
tests_test_store_rot_LDADD = $(STORE_TEST_LIBS)
tests_test_store_snapshot_SOURCES = tests/test_store_snapshot.c \
	tests/crash_vfs.c tests/crash_vfs.h
tests_test_store_snapshot_LDADD = $(STORE_TEST_LIBS)
tests_test_store_upgrade_SOURCES = tests/test_store_upgrade.c $(STORE_PLACE)
tests_test_store_upgrade_LDADD = $(STORE_TEST_LIBS)
EXTRA_DIST += tests/store/schema-1.sql tests/store/schema-2.sql \
	tests/store/schema-3.sql
