// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Points of reference for the packet benchmark: what a program costs that does nothing, only parses, or does one lookup. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "include/parse.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct lpm_key {
	__u32 length;
	__u32 address_be;
};

#define BENCH_MAP(name, kind, key_type, flags) \
	struct { \
		__uint(type, kind); \
		__uint(map_flags, flags); \
		__uint(max_entries, 131072); \
		__type(key, key_type); \
		__type(value, __u32); \
	} name SEC(".maps")

BENCH_MAP(bench_hash, BPF_MAP_TYPE_HASH, __u32, 0);
BENCH_MAP(bench_lru, BPF_MAP_TYPE_LRU_HASH, __u32, 0);
BENCH_MAP(bench_lpm, BPF_MAP_TYPE_LPM_TRIE, struct lpm_key, BPF_F_NO_PREALLOC);

/* The source address of an IPv4 packet without options, or 0. */
static __always_inline __u32 source_address(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;

	return data + 34 > end ? 0 : *(__u32 *)(data + 26);
}

SEC("tc")
int bench_empty(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

SEC("tc")
int bench_parse(struct __sk_buff *skb)
{
	struct pc_packet p = {};
	int parsed = pc_parse_fast4(skb, &p) || pc_parse_fast6(skb, &p);

	/* What was parsed counts as used: the compiler would drop most of the parser. */
	asm volatile("" : : "r"(&p) : "memory");
	return parsed ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

SEC("tc")
int bench_hash_lookup(struct __sk_buff *skb)
{
	__u32 address = source_address(skb);

	return bpf_map_lookup_elem(&bench_hash, &address) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

SEC("tc")
int bench_lru_lookup(struct __sk_buff *skb)
{
	__u32 address = source_address(skb);

	return bpf_map_lookup_elem(&bench_lru, &address) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

SEC("tc")
int bench_lpm_lookup(struct __sk_buff *skb)
{
	struct lpm_key key = { .length = 32, .address_be = source_address(skb) };

	return bpf_map_lookup_elem(&bench_lpm, &key) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}
