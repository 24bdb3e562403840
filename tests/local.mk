include tests/base.mk
include tests/core.mk
include tests/wire.mk
include tests/sim.mk
include tests/store.mk
include tests/daemon.mk
include tests/system.mk
include tests/ctl.mk
