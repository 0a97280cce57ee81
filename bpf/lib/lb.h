/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Choosing a backend for a socket, and remembering which one it got. The maps are described in bpf/abi/lb.h. */
#ifndef WEFT_BPF_LIB_LB_H
#define WEFT_BPF_LIB_LB_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/abi/lb.h"

/* Sizes are set by the agent before load. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, struct lb_endpoint);
  __type(value, __u32);
} lb_frontends SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct lb_service);
} lb_services SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct lb_slot);
} lb_slots SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct lb_backend);
} lb_backends SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, struct lb_member_key);
  __type(value, __u32);
} lb_members SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, struct lb_sticky_key);
  __type(value, struct lb_sticky);
} lb_sticky SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct lb_connected_set);
} lb_connected SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, struct lb_reverse_key);
  __type(value, struct lb_reverse);
} lb_reverse SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, LB_METRIC_COUNT);
  __type(key, __u32);
  __type(value, __u64);
} lb_metrics SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct lb_config);
} lb_config SEC(".maps");

static __always_inline void lb_count(__u32 metric) {
  __u64* value = bpf_map_lookup_elem(&lb_metrics, &metric);
  if (value) __sync_fetch_and_add(value, 1); /* per CPU, but another task may preempt us */
}

static __always_inline int lb_same_endpoint(const struct lb_endpoint* a, const struct lb_endpoint* b) {
  return a->address[0] == b->address[0] && a->address[1] == b->address[1] && a->address[2] == b->address[2] &&
         a->address[3] == b->address[3] && a->port == b->port && a->protocol == b->protocol && a->family == b->family;
}

/* The service of a frontend, or NULL. lb_frontends is a hash whose freed elements may be reused while we look at
 * one; the copy of the frontend in the service tells whether we were led to the right one. */
static __always_inline struct lb_service* lb_lookup(const struct lb_endpoint* frontend, __u32* id) {
  const __u32* found = bpf_map_lookup_elem(&lb_frontends, frontend);
  struct lb_service* service;

  if (!found) return NULL;
  *id = *(volatile const __u32*)found;
  service = bpf_map_lookup_elem(&lb_services, id);
  if (!service) return NULL;
  if (!lb_same_endpoint(&service->frontend, frontend)) {
    lb_count(LB_METRIC_STALE);
    return NULL;
  }
  return service;
}

/* The number of sets in lb_connected less one; set by the agent. */
const volatile __u32 connected_mask = 0;

#define lb_barrier() asm volatile("" ::: "memory")

static __always_inline __u32 lb_check(const struct lb_endpoint* a, const struct lb_endpoint* b) {
  __u64 h = 0x9e3779b97f4a7c15ULL;

  h = (h ^ a->address[0] ^ ((__u64)b->address[0] << 32)) * 0xd6e8feb86659fd93ULL;
  h = (h ^ a->address[1] ^ ((__u64)b->address[1] << 32)) * 0xd6e8feb86659fd93ULL;
  h = (h ^ a->address[2] ^ ((__u64)b->address[2] << 32)) * 0xd6e8feb86659fd93ULL;
  h = (h ^ a->address[3] ^ ((__u64)b->address[3] << 32)) * 0xd6e8feb86659fd93ULL;
  h = (h ^ a->port ^ ((__u64)b->port << 32)) * 0xd6e8feb86659fd93ULL;
  return (__u32)(h >> 32);
}

static __always_inline void lb_remember_connected(__u64 socket, __u32 service, const struct lb_endpoint* frontend,
                                                  const struct lb_endpoint* backend) {
  const __u32 index = (__u32)(socket / LB_CONNECTED_RUN) & connected_mask;
  struct lb_connected_set* set = bpf_map_lookup_elem(&lb_connected, &index);
  struct lb_connected* c;
  __u32 way;

  if (!set) return;
  /* A race for the cursor costs one of the two sockets its name, and an atomic operation costs every connection. */
  way = set->cursor++ % LB_CONNECTED_WAYS;
  asm volatile("" : "+r"(way)); /* the verifier does not follow a remainder, and the compiler would drop the test */
  if (way >= LB_CONNECTED_WAYS) return;
  c = &set->sockets[way];
  *(volatile __u64*)&c->socket = 0;
  lb_barrier();
  c->service = service;
  c->check = lb_check(frontend, backend);
  lb_barrier();
  *(volatile __u64*)&c->socket = socket;
}

static __always_inline int lb_recall_connected(__u64 socket, const struct lb_endpoint* backend,
                                               struct lb_endpoint* frontend) {
  const __u32 index = (__u32)(socket / LB_CONNECTED_RUN) & connected_mask;
  const struct lb_connected_set* set = bpf_map_lookup_elem(&lb_connected, &index);
  const struct lb_service* service;
  __u32 id = 0, check = 0, way;

  if (!set) return 0;
#pragma unroll
  for (way = 0; way < LB_CONNECTED_WAYS; ++way) {
    if (*(volatile const __u64*)&set->sockets[way].socket != socket) continue;
    id = set->sockets[way].service;
    check = set->sockets[way].check;
  }
  service = id ? bpf_map_lookup_elem(&lb_services, &id) : NULL;
  if (!service || lb_check(&service->frontend, backend) != check) return 0;
  *frontend = service->frontend;
  return 1;
}

static __always_inline void lb_remember_datagram(__u64 socket, const struct lb_endpoint* frontend,
                                                 const struct lb_endpoint* backend) {
  const struct lb_reverse_key key = {.socket = socket, .backend = *backend};
  const struct lb_reverse value = {.frontend = *frontend};
  /* The datagrams of one flow ask for the same entry again and again. */
  const struct lb_reverse* known = bpf_map_lookup_elem(&lb_reverse, &key);

  if (!known || !lb_same_endpoint(&known->frontend, frontend)) bpf_map_update_elem(&lb_reverse, &key, &value, BPF_ANY);
}

static __always_inline int lb_recall_datagram(__u64 socket, const struct lb_endpoint* backend,
                                              struct lb_endpoint* frontend) {
  const struct lb_reverse_key key = {.socket = socket, .backend = *backend};
  const struct lb_reverse* known = bpf_map_lookup_elem(&lb_reverse, &key);

  if (!known) return 0;
  *frontend = known->frontend;
  return 1;
}

/* What makes this node's choices by Maglev others than another node's: cookies of namespaces are counted up from the
 * same number everywhere. Set by the agent, the same for each run of it. */
const volatile __u32 maglev_salt = 0;

static __always_inline __u32 lb_mix(__u64 netns, __u32 source) {
  __u64 h = (netns ^ (__u64)maglev_salt << 32) * 0x9e3779b97f4a7c15ULL + source;

  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93ULL;
  h ^= h >> 32;
  return (__u32)h;
}

/* Who asks, and what the service offers, each word read once. A pod is a network namespace; `source` is its address
 * where the socket has one already, which matters to namespaces with several (the node's own). */
struct lb_client {
  __u64 netns;
  __u64 socket; /* set for a datagram of an unconnected UDP socket, else 0 */
  __u64 choice; /* lb_service.choice */
  __u32 source;
  __u32 affinity;  /* lb_service.affinity_seconds */
  __u32 anonymous; /* nothing tells it from the other clients of the node itself */
};

/* A backend id out of the service's slots; 0 when it has none. Who the client is decides with Maglev only: who
 * connects from the same place gets the same backend, and a change of backends moves few. The node's own processes
 * have no place before they bind a source, and all of them together, of all nodes, would meet at one backend. */
static __always_inline __u32 lb_pick(const struct lb_client* client) {
  const __u64 choice = client->choice;
  const __u32 count = (__u32)((choice & ~LB_CHOICE_MAGLEV) >> 32);
  struct lb_slot* slot;
  __u32 index;

  if (count == 0) return 0;
  index =
      (choice & LB_CHOICE_MAGLEV) && !client->anonymous ? lb_mix(client->netns, client->source) : bpf_get_prandom_u32();
  index = (__u32)choice + (__u32)(((__u64)index * count) >> 32);
  slot = bpf_map_lookup_elem(&lb_slots, &index);
  return slot ? *(volatile __u32*)&slot->backend : 0;
}

/* The backend that this client had, while it may keep it and was not silent for too long; else 0. */
static __always_inline __u32 lb_recall(const struct lb_sticky_key* key, __u64 now, __u32 seconds) {
  struct lb_sticky* known = bpf_map_lookup_elem(&lb_sticky, key);
  struct lb_member_key member = {.service = key->service};
  __u32* state;

  if (!known) return 0;
  if (now - known->last_used > (__u64)seconds * 1000000000ULL) return 0;
  member.backend = known->backend;
  state = bpf_map_lookup_elem(&lb_members, &member);
  if (!state) return 0;
  if (*state == LB_MEMBER_RESERVE) return 0;
  if (key->kind == LB_CLIENT_NETNS && *state != LB_MEMBER_ACTIVE) return 0;
  known->last_used = now;
  return member.backend;
}

static __always_inline void lb_remember(const struct lb_sticky_key* key, __u64 now, __u32 backend) {
  struct lb_sticky value = {.last_used = now, .backend = backend};

  bpf_map_update_elem(&lb_sticky, key, &value, BPF_ANY);
}

/* Chooses the backend of one connection, or of one datagram of an unconnected socket. 0: none. */
static __always_inline __u32 lb_choose(__u32 service, const struct lb_client* client) {
  struct lb_sticky_key flow = {.client = client->socket, .service = service, .kind = LB_CLIENT_SOCKET};
  struct lb_sticky_key pod = {.client = client->netns, .service = service, .kind = LB_CLIENT_NETNS};
  __u32 backend = 0;
  __u64 now;

  if (!client->socket && !client->affinity) return lb_pick(client);

  now = bpf_ktime_get_ns();
  if (client->socket) backend = lb_recall(&flow, now, LB_UDP_FLOW_SECONDS);
  if (backend) {
    lb_count(LB_METRIC_STICKY);
    return backend;
  }
  /* A new connection or flow of a client with affinity goes where the client went before. */
  if (client->affinity) backend = lb_recall(&pod, now, client->affinity);
  if (backend) {
    lb_count(LB_METRIC_STICKY);
  } else {
    backend = lb_pick(client);
    if (backend && client->affinity) lb_remember(&pod, now, backend);
  }
  if (backend && client->socket) lb_remember(&flow, now, backend);
  return backend;
}

#endif /* WEFT_BPF_LIB_LB_H */
