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
  __type(value, struct lb_connected);
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

/* The size of lb_connected less one; set by the agent. */
const volatile __u32 connected_mask = 0;

#define lb_barrier() asm volatile("" ::: "memory")

static __always_inline void lb_remember_connected(__u64 socket, const struct lb_endpoint* frontend,
                                                  const struct lb_endpoint* backend) {
  const __u32 index = (__u32)socket & connected_mask;
  struct lb_connected* c = bpf_map_lookup_elem(&lb_connected, &index);

  if (!c) return;
  *(volatile __u64*)&c->socket = 0;
  lb_barrier();
  c->frontend = *frontend;
  c->backend = *backend;
  lb_barrier();
  *(volatile __u64*)&c->socket = socket;
}

static __always_inline int lb_recall_connected(__u64 socket, const struct lb_endpoint* backend,
                                               struct lb_endpoint* frontend) {
  const __u32 index = (__u32)socket & connected_mask;
  struct lb_connected* c = bpf_map_lookup_elem(&lb_connected, &index);

  if (!c || *(volatile __u64*)&c->socket != socket || !lb_same_endpoint(&c->backend, backend)) return 0;
  *frontend = c->frontend;
  lb_barrier();
  return *(volatile __u64*)&c->socket == socket;
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

static __always_inline __u32 lb_mix(__u64 client, __u32 service) {
  __u64 h = client * 0x9e3779b97f4a7c15ULL + service;

  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93ULL;
  h ^= h >> 32;
  return (__u32)h;
}

/* A backend id out of the service's slots; 0 when it has none. `client` decides with Maglev only: who connects from
 * the same place gets the same backend, and a change of backends moves few of them. */
static __always_inline __u32 lb_pick(const struct lb_service* service, __u64 client) {
  const __u64 choice = *(volatile const __u64*)&service->choice;
  const __u32 count = (__u32)((choice & ~LB_CHOICE_MAGLEV) >> 32);
  struct lb_slot* slot;
  __u32 index;

  if (count == 0) return 0;
  /* Maglev's hash is of the client alone: equal tables on all nodes shall give equal answers to equal clients. */
  index = (choice & LB_CHOICE_MAGLEV) ? lb_mix(client, 0) : bpf_get_prandom_u32();
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
  if (key->kind == LB_CLIENT_NETNS && *state != LB_MEMBER_ACTIVE) return 0;
  known->last_used = now;
  return member.backend;
}

static __always_inline void lb_remember(const struct lb_sticky_key* key, __u64 now, __u32 backend) {
  struct lb_sticky value = {.last_used = now, .backend = backend};

  bpf_map_update_elem(&lb_sticky, key, &value, BPF_ANY);
}

/* Who asks. A pod is a network namespace; `source` is its address where the socket has one already, which matters
 * to namespaces with several (the node's own). */
struct lb_client {
  __u64 netns;
  __u64 socket; /* set for a datagram of an unconnected UDP socket, else 0 */
  __u32 source;
};

/* Chooses the backend of one connection, or of one datagram of an unconnected socket. 0: none. */
static __always_inline __u32 lb_choose(const struct lb_service* service, __u32 id, const struct lb_client* client) {
  const __u32 affinity = *(volatile const __u32*)&service->affinity_seconds;
  struct lb_sticky_key key = {.service = id};
  __u32 seconds, backend;
  __u64 now;

  if (client->socket) {
    key.client = client->socket;
    key.kind = LB_CLIENT_SOCKET;
    seconds = LB_UDP_FLOW_SECONDS;
  } else if (affinity) {
    key.client = client->netns;
    key.kind = LB_CLIENT_NETNS;
    seconds = affinity;
  } else {
    return lb_pick(service, client->netns ^ ((__u64)client->source << 32));
  }

  now = bpf_ktime_get_ns();
  backend = lb_recall(&key, now, seconds);
  if (!backend && client->socket && affinity) {
    /* A new flow of a client with affinity: it goes where the client goes. */
    struct lb_sticky_key pod = {.client = client->netns, .service = id, .kind = LB_CLIENT_NETNS};
    backend = lb_recall(&pod, now, affinity);
    if (!backend) {
      backend = lb_pick(service, client->netns ^ ((__u64)client->source << 32));
      if (backend) lb_remember(&pod, now, backend);
    }
    if (backend) lb_remember(&key, now, backend);
    return backend;
  }
  if (backend) {
    lb_count(LB_METRIC_STICKY);
    return backend;
  }
  backend = lb_pick(service, client->netns ^ ((__u64)client->source << 32));
  if (backend) lb_remember(&key, now, backend);
  return backend;
}

#endif /* WEFT_BPF_LIB_LB_H */
