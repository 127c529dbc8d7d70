// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Drops what comes from and goes to interfaces that are still to come. A pod's interface can be set up and used before the programs of
 * policy.bpf.c are on it; it is known by its name, for it has no index before it is there. At netfilter's hooks of a whole network
 * namespace (Linux 6.4), where an interface needs no step of its own.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "include/policy_types.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* What is read of the kernel's own types; where their fields are is looked up when the program is loaded. */
#define KERNEL_TYPE __attribute__((preserve_access_index))

struct sk_buff {
	unsigned int len;
	unsigned int data_len;
	__u16 network_header;
	unsigned char *head;
} KERNEL_TYPE;

struct net_device {
	char name[sizeof(struct pc_interface_name)];
} KERNEL_TYPE;

struct nf_hook_state {
	struct net_device *in;
	struct net_device *out;
} KERNEL_TYPE;

struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
} KERNEL_TYPE;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PC_ENDPOINT_SLOTS);
	__type(key, struct pc_interface_name);
	__type(value, struct pc_awaited);
} pc_awaited SEC(".maps");

/* By direction. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct pc_counter);
} pc_held_back SEC(".maps");

static __always_inline const struct pc_awaited *awaited(const struct net_device *device)
{
	struct pc_interface_name name = {};

	/* Behind the name's end the kernel may have letters of an earlier one. */
	return bpf_core_read_str(name.letters, sizeof(name.letters), &device->name) < 0 ? 0 : bpf_map_lookup_elem(&pc_awaited, &name);
}

/* Passes as on every isolated endpoint; what it asks for would be asked for again only a second later. */
static __always_inline int is_neighbour_discovery(const struct sk_buff *skb)
{
	__u8 header[41]; /* IPv6 and the ICMPv6 type */

	if (skb->len - skb->data_len < sizeof(header) ||
	    bpf_probe_read_kernel(header, sizeof(header), skb->head + skb->network_header))
		return 0;
	return header[0] >> 4 == 6 && header[6] == 58 && header[7] == 255 && header[40] >= 133 && header[40] <= 137;
}

static __always_inline int hold_back(const struct bpf_nf_ctx *ctx, __u32 direction)
{
	struct pc_counter *counter;

	if (is_neighbour_discovery(ctx->skb))
		return NF_ACCEPT;
	counter = bpf_map_lookup_elem(&pc_held_back, &direction);
	if (counter) {
		counter->packets++;
		counter->bytes += ctx->skb->len + ETH_HLEN;
	}
	return NF_DROP;
}

SEC("netfilter")
int portcullis_gate_in(struct bpf_nf_ctx *ctx)
{
	const struct net_device *device = ctx->state->in;
	const struct pc_awaited *closed = device ? awaited(device) : 0;

	return closed && closed->in ? hold_back(ctx, closed->in - 1) : NF_ACCEPT;
}

SEC("netfilter")
int portcullis_gate_out(struct bpf_nf_ctx *ctx)
{
	const struct net_device *device = ctx->state->out;
	const struct pc_awaited *closed = device ? awaited(device) : 0;

	return closed && closed->out ? hold_back(ctx, closed->out - 1) : NF_ACCEPT;
}
