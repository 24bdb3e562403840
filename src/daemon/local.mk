noinst_LIBRARIES += src/daemon/libdaemon.a
src_daemon_libdaemon_a_SOURCES = \
	src/daemon/configfile.c src/daemon/configfile.h \
	src/daemon/connection.c src/daemon/connection.h \
	src/daemon/dial.c \
	src/daemon/http.c src/daemon/http.h \
	src/daemon/http_page.c \
	src/daemon/listener.c \
	src/daemon/loop.c src/daemon/loop.h \
	src/daemon/notify.c src/daemon/notify.h \
	src/daemon/parameters.c src/daemon/parameters.h \
	src/daemon/resolver.c src/daemon/resolver.h \
	src/daemon/settings.c src/daemon/settings.h

bin_PROGRAMS += raftsc
raftsc_SOURCES = src/daemon/main.c
raftsc_LDADD = src/daemon/libdaemon.a src/store/libstore.a \
	src/node/libnode.a src/wire/libwire.a src/core/libcore.a \
	src/base/libbase.a $(EVENT_LIBS) $(INIH_LIBS) $(SQLITE_LIBS)
