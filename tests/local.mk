include tests/base.mk
include tests/core.mk
