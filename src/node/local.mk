noinst_LIBRARIES += src/node/libnode.a
src_node_libnode_a_SOURCES = \
	src/node/birth.c \
	src/node/change.c src/node/change.h \
	src/node/change_end.c \
	src/node/command.c src/node/command.h \
	src/node/command_compact.c \
	src/node/command_config.c \
	src/node/command_connection.c \
	src/node/command_keys.c \
	src/node/command_log.c \
	src/node/command_snapshot.c \
	src/node/command_submit.c \
	src/node/commands.h \
	src/node/compact.c src/node/compact.h \
	src/node/contacts.c \
	src/node/doubt.c \
	src/node/control.c src/node/control.h \
	src/node/download.c \
	src/node/driver.c \
	src/node/events.c src/node/events.h \
	src/node/feed.c src/node/feed.h \
	src/node/greet.c \
	src/node/health.c \
	src/node/info.c \
	src/node/install.c src/node/install.h \
	src/node/install_offer.c \
	src/node/install_send.c \
	src/node/install_tell.c \
	src/node/install_take.c \
	src/node/internal.h \
	src/node/latency.c src/node/latency.h \
	src/node/link.c \
	src/node/metrics.c \
	src/node/moved.c src/node/moved.h \
	src/node/node.c src/node/node.h \
	src/node/pace.c src/node/pace.h \
	src/node/peers.c src/node/peers.h \
	src/node/peers_look.c \
	src/node/peers_send.c \
	src/node/pending.c src/node/pending.h \
	src/node/plan.c \
	src/node/progress.c src/node/progress.h \
	src/node/request.c src/node/request.h \
	src/node/session.c src/node/session.h \
	src/node/snapshot.c src/node/snapshot.h \
	src/node/status.c \
	src/node/store.h \
	src/node/submit.c \
	src/node/target.c src/node/target.h \
	src/node/trace.c \
	src/node/waiting.c \
	src/node/upload.c \
	src/node/wheel.c src/node/wheel.h \
	src/node/why.c
