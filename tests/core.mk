# Core: scripts, unit tests, and cases from elsewhere where they are at hand.
CORE_TEST_LIBS = src/core/libcore.a src/base/libbase.a

check_PROGRAMS += tests/core/script
tests_core_script_SOURCES = tests/core/script.c tests/core/script.h \
	tests/core/script_command.c tests/core/script_core.c \
	tests/core/script_net.c tests/core/script_say.c
tests_core_script_LDADD = $(CORE_TEST_LIBS)
CORE_CASES = \
	tests/core/batch.txt \
	tests/core/batch_company.txt \
	tests/core/batch_notice.txt \
	tests/core/bounded_uncommitted.txt \
	tests/core/change.txt \
	tests/core/change_add_double.txt \
	tests/core/change_add_single.txt \
	tests/core/change_back.txt \
	tests/core/change_back_alone.txt \
	tests/core/change_finished.txt \
	tests/core/change_learner.txt \
	tests/core/change_one_at_a_time.txt \
	tests/core/change_outgoing_needed.txt \
	tests/core/change_refused.txt \
	tests/core/change_remove_leader.txt \
	tests/core/change_replace_leader.txt \
	tests/core/change_rolled_back.txt \
	tests/core/change_transfer_in_joint.txt \
	tests/core/check_quorum.txt \
	tests/core/check_quorum_late_answers.txt \
	tests/core/cut_needed.txt \
	tests/core/disk_stall.txt \
	tests/core/disk_stall_candidate.txt \
	tests/core/election.txt \
	tests/core/figure_7.txt \
	tests/core/figure_8.txt \
	tests/core/figure_8_committed.txt \
	tests/core/forged.txt \
	tests/core/forged_base.txt \
	tests/core/forged_committed.txt \
	tests/core/higher_term_unsticks.txt \
	tests/core/install.txt \
	tests/core/install_keeps_what_follows.txt \
	tests/core/install_never_back.txt \
	tests/core/install_replaces.txt \
	tests/core/joint.txt \
	tests/core/keys.txt \
	tests/core/keys_restart.txt \
	tests/core/keys_truncated.txt \
	tests/core/lagging_commit.txt \
	tests/core/late_append.txt \
	tests/core/leader_gone.txt \
	tests/core/leader_gone_as_candidate.txt \
	tests/core/leader_gone_asked_early.txt \
	tests/core/leader_gone_asked_too_early.txt \
	tests/core/leader_gone_at_once.txt \
	tests/core/leader_gone_at_once_unlike.txt \
	tests/core/leader_gone_first_lags.txt \
	tests/core/leader_gone_with_another.txt \
	tests/core/leader_hangs.txt \
	tests/core/leader_hangs_first_lags.txt \
	tests/core/leader_saves_last.txt \
	tests/core/leader_silent.txt \
	tests/core/leads_again.txt \
	tests/core/learner.txt \
	tests/core/leaver_comes_back.txt \
	tests/core/learner_votes.txt \
	tests/core/link_up_asks_first.txt \
	tests/core/lost_append.txt \
	tests/core/lost_uncounted.txt \
	tests/core/lost_uncounted_joint.txt \
	tests/core/overwritten_and_back.txt \
	tests/core/overwritten_save.txt \
	tests/core/overwritten_twice.txt \
	tests/core/pipeline_full_and_lost.txt \
	tests/core/pipeline_limit.txt \
	tests/core/prevote_behind.txt \
	tests/core/prevote_does_not_disturb.txt \
	tests/core/prevote_leader_alive.txt \
	tests/core/probe_and_replicate.txt \
	tests/core/probe_recovers.txt \
	tests/core/read_before_first_commit.txt \
	tests/core/read_in_joint.txt \
	tests/core/read_index.txt \
	tests/core/read_not_starved.txt \
	tests/core/replication.txt \
	tests/core/restart.txt \
	tests/core/roles.txt \
	tests/core/saves_behind.txt \
	tests/core/single_node.txt \
	tests/core/slow_follower.txt \
	tests/core/stale_leader_read.txt \
	tests/core/stale_uncommitted.txt \
	tests/core/transfer.txt \
	tests/core/transfer_asked_once.txt \
	tests/core/transfer_times_out.txt \
	tests/core/vote_is_lost_with_the_crash.txt \
	tests/core/vote_once.txt
EXTRA_DIST += $(CORE_CASES) tests/core/README
TESTS += tests/core/scripts.sh
dist_noinst_SCRIPTS += tests/core/scripts.sh

CORE_TESTS = tests/test_config tests/test_keys tests/test_log tests/test_quorum tests/test_raft \
	tests/test_trial
check_PROGRAMS += $(CORE_TESTS)
TESTS += $(CORE_TESTS)
tests_test_config_LDADD = $(CORE_TEST_LIBS) $(CMOCKA_LIBS)
tests_test_keys_LDADD = $(CORE_TEST_LIBS) $(CMOCKA_LIBS)
tests_test_log_LDADD = $(CORE_TEST_LIBS) $(CMOCKA_LIBS)
tests_test_quorum_LDADD = $(CORE_TEST_LIBS) $(CMOCKA_LIBS)
tests_test_raft_LDADD = $(CORE_TEST_LIBS) $(CMOCKA_LIBS)
tests_test_trial_LDADD = $(CORE_TEST_LIBS) $(CMOCKA_LIBS)

# Two hundred seeds of cores alone, with messages lost, doubled and out of order.
check_PROGRAMS += tests/test_core_random
TESTS += tests/test_core_random
tests_test_core_random_SOURCES = tests/test_core_random.c \
	tests/core_base.c tests/core_change.c tests/core_watch.c tests/core_random.h
tests_test_core_random_LDADD = $(CORE_TEST_LIBS)
