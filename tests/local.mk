include tests/base.mk
include tests/core.mk
include tests/wire.mk
include tests/sim.mk
include tests/rescue.mk
include tests/store.mk
include tests/daemon.mk
include tests/system.mk
include tests/ctl.mk

# The shape of the house.
TESTS += tests/layers.sh tests/symbols.sh tests/hardened.sh
dist_noinst_SCRIPTS += tests/layers.sh tests/symbols.sh tests/hardened.sh
