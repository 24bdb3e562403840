dist_man_MANS += \
	man/raftctl.1 \
	man/raftsc.8 \
	man/raftsc.conf.5
