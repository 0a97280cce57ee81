/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Service load balancing: the map family that bpf/sock_lb.bpf.c reads and src/datapath/lb_* writes.
 *
 *   lb_frontends  hash   address, port, protocol  ->  service id
 *   lb_services   array  service id               ->  the choice to make (one 64-bit word) and how to make it
 *   lb_slots      array  slot                     ->  backend id; a service owns a contiguous range
 *   lb_backends   array  backend id               ->  address and port
 *   lb_members    hash   (service, backend)       ->  may a remembered client keep this backend?
 *   lb_sticky     LRU    (client, service)        ->  backend id and when last used
 *   lb_connected  array  socket, by cookie        ->  the frontend that a TCP socket asked for
 *   lb_reverse    LRU    (socket, backend)        ->  the same for UDP sockets, which may have many peers
 *
 * Services, slots and backends are memory-mapped by the agent. What makes an update atomic for a client: `choice` and a
 * slot are single aligned words; ids and ranges are given to somebody else only after every program that could have
 * read them has finished (LbMaps::wait_readers). Array slots never move, so nothing read here can turn into
 * another service's data, as a reused hash element could.
 *
 * Addresses and ports are in network order. An IPv4 address is in word 0, the other words are zero.
 * Changing a layout means raising LB_ABI_VERSION: an agent does not adopt pinned maps of another version.
 */
#ifndef WEFT_BPF_ABI_LB_H
#define WEFT_BPF_ABI_LB_H

#include <linux/types.h>

#ifdef __cplusplus
namespace weft::abi {
#define WEFT_ABI_ASSERT(cond) static_assert(cond)
#else
#define WEFT_ABI_ASSERT(cond) _Static_assert(cond, #cond)
#endif

#define LB_ABI_VERSION 2

/* An address with port and protocol: of a frontend (the key of lb_frontends) or of a backend. */
struct lb_endpoint {
  __u32 address[4];
  __u16 port;
  __u8 protocol; /* IPPROTO_TCP, IPPROTO_UDP; 0 in an array element that nobody uses */
  __u8 family;   /* 4 or 6 */
};
WEFT_ABI_ASSERT(sizeof(struct lb_endpoint) == 20);

/* `choice`: first slot in bits 0-31, number of slots in bits 32-62, bit 63 for Maglev.
 * No slots: the service exists and has no backend to offer. */
#define LB_CHOICE_MAGLEV (1ULL << 63)

struct lb_service {
  __u64 choice;
  struct lb_endpoint frontend; /* whose service this is; a reader compares, see lb_lookup() */
  __u32 affinity_seconds;      /* session affinity by client IP; 0: none */
};
WEFT_ABI_ASSERT(sizeof(struct lb_service) == 32);

/* Eight bytes because the kernel rounds the elements of a mappable array up to eight. */
struct lb_slot {
  __u32 backend;
  __u32 reserved;
};
WEFT_ABI_ASSERT(sizeof(struct lb_slot) == 8);

struct lb_backend {
  struct lb_endpoint endpoint;
  __u32 cluster; /* a hash of its cluster's name, 0 for this cluster; for the next agent, no program asks */
};
WEFT_ABI_ASSERT(sizeof(struct lb_backend) == 24);

/* Kept for services with session affinity and for all UDP services; LB_MEMBER_RESERVE for any. */
struct lb_member_key {
  __u32 service;
  __u32 backend;
};

enum lb_member_state {
  LB_MEMBER_ACTIVE = 1, /* a client with affinity keeps it, a socket keeps it */
  LB_MEMBER_KEEPS = 2,  /* terminating: only a socket that already sends there keeps it */
  /* Of another cluster and held back, by affinity for example: no member to any program. The next agent may need it
   * before that cluster has spoken. */
  LB_MEMBER_RESERVE = 3,
};

struct lb_sticky_key {
  __u64 client; /* the cookie of a network namespace (one pod) or of a socket, see `kind` */
  __u32 service;
  __u32 kind; /* enum lb_client_kind */
};
WEFT_ABI_ASSERT(sizeof(struct lb_sticky_key) == 16);

enum lb_client_kind {
  LB_CLIENT_NETNS = 0,  /* session affinity: ClientIP */
  LB_CLIENT_SOCKET = 1, /* an unconnected UDP socket stays with the backend of its first datagram */
};

struct lb_sticky {
  __u64 last_used; /* bpf_ktime_get_ns() */
  __u32 backend;
  __u32 reserved;
};
WEFT_ABI_ASSERT(sizeof(struct lb_sticky) == 16);

/* How long an unconnected UDP socket may be silent and still find its backend again: conntrack's timeout for a
 * UDP stream, which is what kube-proxy's clients get. */
#define LB_UDP_FLOW_SECONDS 120

/* A TCP socket's set is found by its cookie, modulo the number of sets, a power of two; inside, the oldest makes
 * place. Cookies are counted up, so a socket is forgotten when about as many others as there are places have
 * connected: what an LRU map does as well, for a store into a warm cache line instead of a search for something to
 * evict (a third of a microsecond a connection; socket storage takes a whole one). */
#define LB_CONNECTED_WAYS 15
#define LB_CONNECTED_RUN 4 /* so many consecutive cookies share a set, and its cache lines */

struct lb_connected {
  __u64 socket; /* cookie; written last and cleared first */
  __u32 service;
  __u32 check; /* hash of frontend and backend: the service may be gone, the socket connected elsewhere */
};
WEFT_ABI_ASSERT(sizeof(struct lb_connected) == 16);

struct lb_connected_set {
  __u32 cursor;
  __u32 reserved[3];
  struct lb_connected sockets[LB_CONNECTED_WAYS];
};
WEFT_ABI_ASSERT(sizeof(struct lb_connected_set) == 256);

struct lb_reverse_key {
  __u64 socket; /* socket cookie */
  struct lb_endpoint backend;
  __u32 reserved;
};
WEFT_ABI_ASSERT(sizeof(struct lb_reverse_key) == 32);

struct lb_reverse {
  struct lb_endpoint frontend;
};
WEFT_ABI_ASSERT(sizeof(struct lb_reverse) == 20);

/* lb_metrics, a per-CPU array. */
enum lb_metric {
  LB_METRIC_TRANSLATED = 0, /* a backend was chosen */
  LB_METRIC_STICKY = 1,     /* of these, by affinity or for a known UDP socket */
  LB_METRIC_NO_BACKEND = 2, /* refused: the service has no backend */
  LB_METRIC_STALE = 3,      /* an id led to another frontend: the service was deleted at that moment */
  LB_METRIC_COUNT = 4,
};

/* lb_config, one element: what an agent must know before it adopts pinned maps. `map_ids` are the kernel's ids of
 * the other maps of the same set, so that a half-replaced set is never taken for a whole one. */
struct lb_config {
  __u32 abi_version;
  __u32 maglev_table_size;
  __u32 map_ids[9]; /* frontends, services, slots, backends, members, sticky, connected, reverse, metrics */
};
WEFT_ABI_ASSERT(sizeof(struct lb_config) == 44);

#ifdef __cplusplus
}  // namespace weft::abi
#endif

#endif /* WEFT_BPF_ABI_LB_H */
