# Backups, restores and recoveries at random: nodes and stores that ship, with
# real directories.
check_PROGRAMS += tests/test_rescue_random
TESTS += tests/test_rescue_random
tests_test_rescue_random_SOURCES = tests/test_rescue_random.c \
	tests/rescue/small.c tests/rescue/small.h
tests_test_rescue_random_LDADD = $(tests_sim_sim_LDADD)
