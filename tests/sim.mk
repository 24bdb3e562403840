# The simulator: clusters of the code that ships, with everything that can
# break, from one seed.
check_PROGRAMS += tests/sim/sim
tests_sim_sim_SOURCES = \
	tests/crash_vfs.c tests/crash_vfs.h \
	tests/sim/app.c tests/sim/app.h \
	tests/sim/ask.c tests/sim/ask_base.c tests/sim/ask_config.c tests/sim/ask_key.c \
	tests/sim/ask_log.c tests/sim/ask_node.c tests/sim/ask_other.c \
	tests/sim/ask_stream.c tests/sim/ask_snapshot.c tests/sim/ask_submit.c \
	tests/sim/base.c \
	tests/sim/check.c \
	tests/sim/config.c \
	tests/sim/disk.c \
	tests/sim/files.c \
	tests/sim/fault.c \
	tests/sim/force.c \
	tests/sim/happened.c tests/sim/happened.h \
	tests/sim/history.c \
	tests/sim/host.c \
	tests/sim/keys.c \
	tests/sim/limits.c \
	tests/sim/main.c \
	tests/sim/many.c \
	tests/sim/mangle.c \
	tests/sim/mix.c \
	tests/sim/net.c \
	tests/sim/operator.c \
	tests/sim/order.c \
	tests/sim/place.c \
	tests/sim/play.c tests/sim/play.h tests/sim/play_peer.c tests/sim/play_log.c \
	tests/sim/play_app.c \
	tests/sim/settle.c \
	tests/sim/shelf.c \
	tests/sim/shrink.c \
	tests/sim/sim.h \
	tests/sim/world.c tests/sim/world.h
tests_sim_sim_LDADD = src/node/libnode.a src/store/libstore.a \
	src/wire/libwire.a src/core/libcore.a src/base/libbase.a $(SQLITE_LIBS)

# Three hundred seeds, and a few of them twice, to the byte.
TESTS += tests/sim/seeds.sh tests/sim/mutants.sh
dist_noinst_SCRIPTS += tests/sim/seeds.sh tests/sim/mutants.sh
EXTRA_DIST += tests/sim/found.txt tests/mutants
