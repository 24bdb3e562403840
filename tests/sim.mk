# The simulator: clusters of the code that ships, with everything that can
# break, from one seed.
check_PROGRAMS += tests/sim/sim
tests_sim_sim_SOURCES = \
	tests/sim/app.c \
	tests/sim/check.c \
	tests/sim/disk.c \
	tests/sim/main.c \
	tests/sim/net.c \
	tests/sim/sim.h \
	tests/sim/world.c tests/sim/world.h
tests_sim_sim_LDADD = src/node/libnode.a src/wire/libwire.a \
	src/core/libcore.a src/base/libbase.a

# A hundred seeds, and a few of them twice, to the byte.
TESTS += tests/sim/seeds.sh
dist_noinst_SCRIPTS += tests/sim/seeds.sh
