noinst_LIBRARIES += src/base/libbase.a
src_base_libbase_a_SOURCES = \
	src/base/blob.c src/base/blob.h \
	src/base/buf.c src/base/buf.h \
	src/base/crc32c.c src/base/crc32c.h \
	src/base/digest.c src/base/digest.h \
	src/base/hasher.c src/base/hasher.h \
	src/base/list.h \
	src/base/log.c src/base/log.h \
	src/base/map.c src/base/map.h \
	src/base/mem.c src/base/mem.h \
	src/base/out.c src/base/out.h \
	src/base/prng.c src/base/prng.h \
	src/base/sha256.c src/base/sha256.h \
	src/base/standard.c src/base/standard.h \
	src/base/text.c src/base/text.h
