/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From an address to its class: everything the rules need to know of it. */
#ifndef PORTCULLIS_CLASSIFY_H
#define PORTCULLIS_CLASSIFY_H

#include <bpf/bpf_endian.h>
#include "maps.h"
#include "packet.h"

/* A table refers outside of another one: of no kind that exists, and a class above all others, which every row denies. */
#define PC_REF_FAULT PC_REF_KIND_MASK
#define PC_CLASS_FAULT 0x10000u
/* So many steps are verified with what follows them; a deeper walk costs a call. */
#define PC_NEAR_STEPS6 4
#define PC_STEPS6 17

static __always_inline __u32 pc_block_ref(__u32 block, __u8 byte)
{
	struct pc_block *b = bpf_map_lookup_elem(&pc_blocks, &block);

	return b ? *(volatile __u32 *)&b->ref[byte] : PC_REF_FAULT;
}

static __always_inline __u32 pc_is_block(__u32 ref)
{
	return (ref & PC_REF_KIND_MASK) == PC_REF_BLOCK;
}

static __always_inline __u32 pc_class_of_ref(__u32 ref)
{
	return (ref & PC_REF_KIND_MASK) == PC_REF_CLASS ? ref & 0xffff : PC_CLASS_FAULT;
}

static __always_inline __u32 pc_classify4(__u32 address)
{
	__u32 ref = *(volatile __u32 *)&pc_direct.root4[address >> 16];

	if (pc_is_block(ref)) {
		ref = pc_block_ref(ref & PC_REF_VALUE_MASK, address >> 8);
		if (pc_is_block(ref))
			ref = pc_block_ref(ref & PC_REF_VALUE_MASK, address);
	}
	return pc_class_of_ref(ref);
}

static __always_inline __u32 pc_walk6(__u32 ref, __u64 high, __u64 low, int steps)
{
	struct pc_node6 *node;
	__u32 index;

	/* Unrolled, it takes the registers of all that surrounds it. */
#pragma clang loop unroll(disable)
	for (int i = 0; i < steps; i++) {
		if ((ref & PC_REF_KIND_MASK) != PC_REF_NODE)
			break;
		index = ref & PC_REF_VALUE_MASK;
		node = bpf_map_lookup_elem(&pc_nodes6, &index);
		if (!node)
			return PC_REF_FAULT;
		if (((high & node->mask_high) ^ node->value_high) | ((low & node->mask_low) ^ node->value_low))
			return node->otherwise;
		ref = *(volatile __u32 *)&node->next;
		if (pc_is_block(ref))
			ref = pc_block_ref(ref & PC_REF_VALUE_MASK, (node->low ? low : high) >> (node->shift & 63));
	}
	return ref;
}

/*
 * Each step takes at least one of the 16 bytes of the address, so 17 always reach a class. Not static: verified once for any
 * argument instead of once for each call.
 */
__noinline __u32 pc_classify6_from(__u32 ref, __u64 high, __u64 low)
{
	return pc_class_of_ref(pc_walk6(ref, high, low, PC_STEPS6));
}

static __always_inline __u32 pc_root6(void)
{
	return *(volatile __u32 *)&pc_config.root6;
}

static __always_inline __u32 pc_classify6(__u64 high, __u64 low)
{
	__u32 ref = pc_walk6(pc_root6(), high, low, PC_NEAR_STEPS6);

	if ((ref & PC_REF_KIND_MASK) == PC_REF_NODE)
		return pc_classify6_from(ref, high, low);
	return pc_class_of_ref(ref);
}

static __always_inline __u32 pc_classify(__u8 family, const struct pc_address *address)
{
	return family == 4 ? pc_classify4(bpf_ntohl((__u32)address->word[0]))
		: pc_classify6(bpf_be64_to_cpu(address->word[0]), bpf_be64_to_cpu(address->word[1]));
}

/* The same, in less to verify. */
static __always_inline __u32 pc_classify_slowly(__u8 family, const struct pc_address *address)
{
	return family == 4 ? pc_classify4(bpf_ntohl((__u32)address->word[0]))
		: pc_classify6_from(pc_root6(), bpf_be64_to_cpu(address->word[0]), bpf_be64_to_cpu(address->word[1]));
}

#endif
