noinst_LIBRARIES += src/core/libcore.a
src_core_libcore_a_SOURCES = \
	src/core/batch.c \
	src/core/base.c \
	src/core/change.h \
	src/core/check.c \
	src/core/config.c src/core/config.h \
	src/core/contact.c \
	src/core/effects.c \
	src/core/election.c \
	src/core/follow.c \
	src/core/internal.h \
	src/core/keys.c src/core/keys.h \
	src/core/lead.c \
	src/core/log.c src/core/log.h \
	src/core/look.c \
	src/core/member.c \
	src/core/propose.c \
	src/core/quorum.c src/core/quorum.h \
	src/core/raft.c src/core/raft.h \
	src/core/read.c \
	src/core/save.c \
	src/core/show.c \
	src/core/transfer.c \
	src/core/trial.c \
	src/core/types.c src/core/types.h
