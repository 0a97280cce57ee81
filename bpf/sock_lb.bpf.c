// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// East-west load balancing at the socket: a connection to a service's address is a connection to one of its
// backends from the first SYN on, so no packet is ever translated.
//
// connect   replaces the destination once per connection
// sendmsg   replaces the destination of each datagram of an unconnected UDP socket
// recvmsg   shows the service's address as the sender of the answers
// getpeername shows the service's address as the peer
//
// IPv4-mapped destinations on IPv6 sockets (::ffff:10.96.0.5) are IPv4 services. Everything that is not a service
// passes untouched. A service without a backend refuses at once: ECONNREFUSED where the kernel lets us say so
// (5.18), EPERM on older ones.

#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/lib/lb.h"

#define ECONNREFUSED 111
#define IPPROTO_MULTIPATH_TCP 262 /* MPTCP's first subflow connects as TCP */

enum { PASS = 1, REFUSE = 0 };
enum verdict { NOT_A_SERVICE, TRANSLATED, NO_BACKEND };

/* Set by the agent according to what the kernel offers (datapath/features.h). */
const volatile __u8 have_set_retval = 0;
const volatile __u8 have_netns_cookie = 0;
/* The node's own network namespace; 0 where the agent cannot tell (before 5.14): then the machine's first. */
const volatile __u64 node_netns = 0;

static __always_inline __u8 protocol_of(const struct bpf_sock_addr* ctx) {
  return ctx->protocol == IPPROTO_MULTIPATH_TCP ? IPPROTO_TCP : (__u8)ctx->protocol;
}

static __always_inline int refuse(void) {
  lb_count(LB_METRIC_NO_BACKEND);
  if (have_set_retval) bpf_set_retval(-ECONNREFUSED);
  return REFUSE;
}

static __always_inline void endpoint4(const struct bpf_sock_addr* ctx, struct lb_endpoint* e) {
  e->address[0] = ctx->user_ip4;
  e->address[1] = e->address[2] = e->address[3] = 0;
  e->port = (__u16)ctx->user_port;
  e->protocol = protocol_of(ctx);
  e->family = 4;
}

/* True when the address is IPv4-mapped, and `e` is then an IPv4 endpoint. */
static __always_inline int endpoint6(const struct bpf_sock_addr* ctx, struct lb_endpoint* e) {
  const __u32 a0 = ctx->user_ip6[0], a1 = ctx->user_ip6[1], a2 = ctx->user_ip6[2], a3 = ctx->user_ip6[3];
  const int mapped = a0 == 0 && a1 == 0 && a2 == bpf_htonl(0xffff);

  e->address[0] = mapped ? a3 : a0;
  e->address[1] = mapped ? 0 : a1;
  e->address[2] = mapped ? 0 : a2;
  e->address[3] = mapped ? 0 : a3;
  e->port = (__u16)ctx->user_port;
  e->protocol = protocol_of(ctx);
  e->family = mapped ? 4 : 6;
  return mapped;
}

static __always_inline void write4(struct bpf_sock_addr* ctx, const struct lb_endpoint* e) {
  ctx->user_ip4 = e->address[0];
  ctx->user_port = e->port;
}

static __always_inline void write6(struct bpf_sock_addr* ctx, const struct lb_endpoint* e, int mapped) {
  if (mapped) {
    ctx->user_ip6[3] = e->address[0];
  } else {
    ctx->user_ip6[0] = e->address[0];
    ctx->user_ip6[1] = e->address[1];
    ctx->user_ip6[2] = e->address[2];
    ctx->user_ip6[3] = e->address[3];
  }
  ctx->user_port = e->port;
}

static __always_inline __u32 bound_source(const struct bpf_sock_addr* ctx, int ipv6) {
  const struct bpf_sock* sk = ctx->sk;

  if (!sk) return 0;
  return ipv6 ? sk->src_ip6[0] ^ sk->src_ip6[1] ^ sk->src_ip6[2] ^ sk->src_ip6[3] : sk->src_ip4;
}

static __always_inline int in_node_netns(__u64 netns) {
  if (!have_netns_cookie) return 1;
  return netns == (node_netns ? node_netns : bpf_get_netns_cookie(NULL));
}

/* Replaces `e`, a frontend, by a backend of it. */
static __always_inline enum verdict translate(struct bpf_sock_addr* ctx, struct lb_endpoint* e, int ipv6,
                                              int datagram) {
  const struct lb_endpoint frontend = *e;
  struct lb_client client = {};
  const struct lb_service* service;
  const struct lb_backend* backend;
  __u32 id = 0, chosen;

  if (e->protocol != IPPROTO_TCP && e->protocol != IPPROTO_UDP) return NOT_A_SERVICE;
  service = lb_lookup(e, &id);
  if (!service) return NOT_A_SERVICE;

  client.socket = datagram ? bpf_get_socket_cookie(ctx) : 0;
  client.affinity = *(volatile const __u32*)&service->affinity_seconds;
  client.choice = *(volatile const __u64*)&service->choice;
  if (client.affinity || (client.choice & LB_CHOICE_MAGLEV)) { /* else nobody asks who the client is */
    client.netns = have_netns_cookie ? bpf_get_netns_cookie(ctx) : 0;
    client.source = bound_source(ctx, ipv6);
    client.anonymous = !client.source && in_node_netns(client.netns);
  }
  chosen = lb_choose(id, &client);
  if (!chosen) return NO_BACKEND;
  backend = bpf_map_lookup_elem(&lb_backends, &chosen);
  if (!backend || !backend->endpoint.port) return NO_BACKEND;

  *e = backend->endpoint;
  if (e->protocol == IPPROTO_TCP) {
    lb_remember_connected(bpf_get_socket_cookie(ctx), id, &frontend, e);
  } else {
    lb_remember_datagram(bpf_get_socket_cookie(ctx), &frontend, e);
  }
  lb_count(LB_METRIC_TRANSLATED);
  return TRANSLATED;
}

static __always_inline int forward4(struct bpf_sock_addr* ctx, int datagram) {
  struct lb_endpoint e;
  enum verdict v;

  endpoint4(ctx, &e);
  v = translate(ctx, &e, 0, datagram);
  if (v == NO_BACKEND) return refuse();
  if (v == TRANSLATED) write4(ctx, &e);
  return PASS;
}

static __always_inline int forward6(struct bpf_sock_addr* ctx, int datagram) {
  struct lb_endpoint e;
  const int mapped = endpoint6(ctx, &e);
  const enum verdict v = translate(ctx, &e, 1, datagram);

  if (v == NO_BACKEND) return refuse();
  if (v == TRANSLATED) write6(ctx, &e, mapped);
  return PASS;
}

/* Replaces `e`, a backend, by the frontend that this socket asked for. */
static __always_inline int restore(struct bpf_sock_addr* ctx, struct lb_endpoint* e) {
  const __u64 socket = bpf_get_socket_cookie(ctx);
  const struct lb_endpoint backend = *e;

  return backend.protocol == IPPROTO_TCP ? lb_recall_connected(socket, &backend, e)
                                         : lb_recall_datagram(socket, &backend, e);
}

static __always_inline int backward4(struct bpf_sock_addr* ctx) {
  struct lb_endpoint e;

  endpoint4(ctx, &e);
  if (restore(ctx, &e)) write4(ctx, &e);
  return PASS;
}

static __always_inline int backward6(struct bpf_sock_addr* ctx) {
  struct lb_endpoint e;
  const int mapped = endpoint6(ctx, &e);

  if (restore(ctx, &e)) write6(ctx, &e, mapped);
  return PASS;
}

SEC("cgroup/connect4")
int weft_connect4(struct bpf_sock_addr* ctx) { return forward4(ctx, 0); }

SEC("cgroup/connect6")
int weft_connect6(struct bpf_sock_addr* ctx) { return forward6(ctx, 0); }

SEC("cgroup/sendmsg4")
int weft_sendmsg4(struct bpf_sock_addr* ctx) { return forward4(ctx, 1); }

SEC("cgroup/sendmsg6")
int weft_sendmsg6(struct bpf_sock_addr* ctx) { return forward6(ctx, 1); }

SEC("cgroup/recvmsg4")
int weft_recvmsg4(struct bpf_sock_addr* ctx) { return backward4(ctx); }

SEC("cgroup/recvmsg6")
int weft_recvmsg6(struct bpf_sock_addr* ctx) { return backward6(ctx); }

SEC("cgroup/getpeername4")
int weft_getpeer4(struct bpf_sock_addr* ctx) { return backward4(ctx); }

SEC("cgroup/getpeername6")
int weft_getpeer6(struct bpf_sock_addr* ctx) { return backward6(ctx); }

char LICENSE[] SEC("license") = "GPL v2";
