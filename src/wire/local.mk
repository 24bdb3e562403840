noinst_LIBRARIES += src/wire/libwire.a
src_wire_libwire_a_SOURCES = \
	src/wire/frame.h \
	src/wire/frame_control.c \
	src/wire/frame_install.c \
	src/wire/frame_internal.h \
	src/wire/frame_read.c \
	src/wire/frame_write.c \
	src/wire/resp.h \
	src/wire/resp_parse.c \
	src/wire/resp_reply.c \
	src/wire/resp_write.c
