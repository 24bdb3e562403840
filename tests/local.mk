include tests/base.mk
