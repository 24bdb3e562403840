noinst_LIBRARIES += src/store/libstore.a
src_store_libstore_a_SOURCES = \
	src/store/backup.c \
	src/store/carry.c src/store/carry.h \
	src/store/check.c \
	src/store/checksum.c \
	src/store/given.c \
	src/store/internal.h \
	src/store/kept.c \
	src/store/load.c \
	src/store/offline.c src/store/offline.h \
	src/store/place.c \
	src/store/reader.c \
	src/store/recover.c \
	src/store/restore.c \
	src/store/rot.c \
	src/store/rows.c \
	src/store/schema.c \
	src/store/snapshot.c \
	src/store/stage.c \
	src/store/state.c \
	src/store/store.c src/store/store.h \
	src/store/sweep.c \
	src/store/upgrade.c \
	src/store/worker.c
