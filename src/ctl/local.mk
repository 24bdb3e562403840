noinst_LIBRARIES += src/ctl/libctl.a
src_ctl_libctl_a_SOURCES = \
	src/ctl/bench.c src/ctl/bench.h \
	src/ctl/bench_channel.c src/ctl/bench_report.c \
	src/ctl/catchup.c src/ctl/catchup.h \
	src/ctl/change.c src/ctl/change.h \
	src/ctl/client.c src/ctl/client.h \
	src/ctl/command.c src/ctl/command.h \
	src/ctl/commands_bench.c \
	src/ctl/commands_config.c \
	src/ctl/commands_inspect.c \
	src/ctl/commands_keys.c \
	src/ctl/commands_log.c \
	src/ctl/commands_member.c \
	src/ctl/commands_rescue.c \
	src/ctl/commands_snapshot.c \
	src/ctl/commands_status.c \
	src/ctl/commands_stream.c \
	src/ctl/commands_submit.c \
	src/ctl/confirm.c src/ctl/confirm.h \
	src/ctl/ctl.c src/ctl/ctl.h \
	src/ctl/entry.c src/ctl/entry.h \
	src/ctl/escape.c src/ctl/escape.h \
	src/ctl/histogram.c src/ctl/histogram.h \
	src/ctl/info.c src/ctl/info.h \
	src/ctl/inspect.c src/ctl/inspect.h \
	src/ctl/interrupt.c src/ctl/interrupt.h \
	src/ctl/json.c src/ctl/json.h \
	src/ctl/lines.c src/ctl/lines.h \
	src/ctl/members.c src/ctl/members.h \
	src/ctl/options.c src/ctl/options.h \
	src/ctl/progress.c src/ctl/progress.h \
	src/ctl/recover.c src/ctl/recover.h \
	src/ctl/scan.c src/ctl/scan.h \
	src/ctl/snapshot.c src/ctl/snapshot.h \
	src/ctl/status.c src/ctl/status.h \
	src/ctl/status_json.c \
	src/ctl/status_text.c \
	src/ctl/submit.c src/ctl/submit.h \
	src/ctl/submit_lines.c \
	src/ctl/table.c src/ctl/table.h

bin_PROGRAMS += raftctl
raftctl_SOURCES = src/ctl/main.c
raftctl_LDADD = src/ctl/libctl.a src/store/libstore.a src/wire/libwire.a \
	src/core/libcore.a src/base/libbase.a $(SQLITE_LIBS)
