dist_man_MANS += \
	man/raftctl.1 \
	man/raftsc-app.7 \
	man/raftsc-db.5 \
	man/raftsc-peer.7 \
	man/raftsc.8 \
	man/raftsc.conf.5
