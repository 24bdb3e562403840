"""What a node says of itself, for the tests of status and watch."""

from raftctl_script import Node

CLUSTER_ID = "0123456789abcdef0123456789abcdef"

INFO_LEADER = """# Server\r
version:0.1.0\r
process_id:4711\r
uptime_in_seconds:12\r
node_id:0\r
cluster:demo\r
cluster_id:%s\r
instance:00000000deadbeef\r
epoch:0\r
\r
# Raft\r
role:leader\r
term:3\r
voted_for:0\r
leader:0\r
leader_address:127.0.0.1:7000\r
commit_index:42\r
applied_index:40\r
last_index:43\r
saved_index:43\r
first_index:1\r
\r
# Peers\r
peer_1:address=127.0.0.1:7001,role=voter,link=up,state=pipeline,match=42,\
next=44,inflight=1,inflight_bytes=100,lag=1,last_contact_ms=12\r
peer_2:address=127.0.0.1:7002,role=learner,link=down,state=probe,match=0,\
next=1,inflight=0,inflight_bytes=0,lag=43,last_contact_ms=-1\r
\r
# Storage\r
db_bytes:4096\r
disk:ok\r
""" % CLUSTER_ID

CONFIG = [
    "0=127.0.0.1:7000 voter",
    "1=127.0.0.1:7001 voter",
    "2=127.0.0.1:7002 learner",
]

INFO_LOST = (
    INFO_LEADER.replace("role:leader", "role:candidate")
    .replace("leader:0", "leader:-1")
    .replace("leader_address:127.0.0.1:7000", "leader_address:")
    .replace("link=up", "link=down")
)

INFO_IDLE = """# Server\r
version:0.1.0\r
node_id:0\r
cluster:demo\r
cluster_id:00000000000000000000000000000000\r
epoch:0\r
# Raft\r
role:idle\r
term:0\r
voted_for:-1\r
leader:-1\r
leader_address:\r
commit_index:0\r
waiting_for:1=127.0.0.1:7001 (not reached yet)\r
# Peers\r
peer_1:address=127.0.0.1:7001,role=voter,link=down,last_contact_ms=-1\r
"""


def status_node(info, config):
    return Node(lambda words: info if words == [b"INFO"] else config)
