dist_man_MANS += \
	man/raftsc.8 \
	man/raftsc.conf.5
