/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The memory of allowed flows. See struct pc_permit.
 * Functions that are not static are verified once, for any argument, instead of once for each call.
 */
#ifndef PORTCULLIS_PERMITS_H
#define PORTCULLIS_PERMITS_H

#include "maps.h"
#include "packet.h"

/* Idle times in units of 2^30 ns, about a second. TCP: above the usual keepalive of two hours. */
static __always_inline __u32 pc_permit_timeout(__u32 kind)
{
	switch (kind) {
	case PC_PERMIT_TCP:
		return 3 * 3600;
	case PC_PERMIT_TCP_CLOSING:
		return 60;
	case PC_PERMIT_FRAGMENT:
		return 30;
	default:
		return 180;
	}
}

static __always_inline __u32 pc_now(void)
{
	return bpf_jiffies64() >> pc_constants.tick_shift;
}

/*
 * The NH hash of UMAC (RFC 4418): whatever the two inputs, they have the same sum for one in 2^32 secrets. Its products do not
 * wait for each other.
 */
static __always_inline __u64 pc_nh(__u32 pair, __u32 a, __u32 b)
{
	return (__u64)(a + pc_config.seed[2 * pair]) * (__u64)(__u32)(b + pc_config.seed[2 * pair + 1]);
}

static __always_inline __u64 pc_nh_addresses(__u8 family, const struct pc_address *a, const struct pc_address *b)
{
	__u64 sum = pc_nh(0, a->word[0], b->word[0]);

	if (family != 4)
		sum += pc_nh(1, a->word[0] >> 32, b->word[0] >> 32) + pc_nh(2, a->word[1], b->word[1])
			+ pc_nh(3, a->word[1] >> 32, b->word[1] >> 32);
	return sum;
}

/* Spreads the sum into the bits that choose a bucket. */
static __always_inline __u64 pc_finish_tag(__u64 sum)
{
	sum = (sum ^ sum >> 32) * 0x880355f21e6d1965ULL;
	return sum ? sum : 1;
}

/* Of the flow in either direction; local and remote as the endpoint sees them. */
static __always_inline __u64 pc_flow_sum(__u32 ifindex, const struct pc_packet *p, __u32 direction)
{
	if (direction == PC_INGRESS)
		return pc_nh_addresses(p->family, &p->destination, &p->source)
			+ pc_nh(4, (__u32)p->destination_port << 16 | p->source_port, ifindex);
	return pc_nh_addresses(p->family, &p->source, &p->destination)
		+ pc_nh(4, (__u32)p->source_port << 16 | p->destination_port, ifindex);
}

/* kind: family << 16, protocol << 8. opener: the direction of the flow's first packet. */
static __always_inline __u64 pc_flow_tag(__u64 sum, __u32 kind, __u32 opener)
{
	return pc_finish_tag(sum + pc_nh(5, kind | opener, 0));
}

/* Reassembly goes by protocol in IPv4 only (RFC 791, RFC 8200 4.5). */
static __always_inline __u64 pc_fragment_tag(__u32 ifindex, const struct pc_packet *p, __u32 direction)
{
	__u32 kind = 0x1000000 | p->family << 16 | (p->family == 4 ? p->protocol << 8 : 0) | direction;

	return pc_finish_tag(pc_nh_addresses(p->family, &p->source, &p->destination)
			     + pc_nh(4, p->fragment_id, ifindex) + pc_nh(5, kind, 0));
}

static __always_inline struct pc_permit_bucket *pc_permit_bucket(__u64 tag)
{
	__u32 index = tag >> 48;

	return bpf_map_lookup_elem(&pc_permits, &index);
}

static __always_inline struct pc_permit *pc_permit_slot(struct pc_permit_bucket *bucket, __u64 tag)
{
#pragma unroll
	for (int i = 0; i < PC_PERMIT_WAYS; i++) {
		if (*(volatile __u64 *)&bucket->slot[i].tag == tag)
			return &bucket->slot[i];
	}
	return 0;
}

static __always_inline int pc_permit_live(const struct pc_permit *permit, __u32 now)
{
	/* Another processor may have seen the next unit already: a small negative age is live. */
	__s32 age = now - permit->seen;

	return age <= (__s32)pc_permit_timeout(permit->owner >> PC_PERMIT_KIND_SHIFT);
}

/* Whether the flow is permitted; being used keeps a permit alive. */
static __always_inline int pc_permit_use(__u64 tag, __u32 closes)
{
	struct pc_permit_bucket *bucket = pc_permit_bucket(tag);
	struct pc_permit *permit;
	__u32 now;

	if (!bucket)
		return 0;
	permit = pc_permit_slot(bucket, tag);
	if (!permit)
		return 0;
	now = pc_now();
	if (!pc_permit_live(permit, now))
		return 0;
	if (permit->seen != now)
		permit->seen = now;
	if (closes)
		permit->owner = (permit->owner & PC_PERMIT_OWNER_MASK) | PC_PERMIT_TCP_CLOSING << PC_PERMIT_KIND_SHIFT;
	return 1;
}

/* The same, in less to verify. */
__noinline int pc_permit_use_slowly(__u64 tag, __u32 closes)
{
	return pc_permit_use(tag, closes);
}

/*
 * The slot to take for a new permit: a free or expired one, else the oldest of the owner with most entries. Without
 * branches where it can be, or the verifier follows each of them: how many entries are the same owner's, then age, then
 * index make one number, of which the greatest wins. Unrolled, because kernels before 6.7 refuse what clang makes of the
 * loops: code that falls through to a loop's head. Volatile, because all owners kept at once would not fit into the stack.
 */
__noinline int pc_permit_victim(__u64 tag, __u32 now)
{
	struct pc_permit_bucket *bucket = pc_permit_bucket(tag);
	__u64 score, worst = 0, count;
	__u32 owner, difference;

	if (!bucket)
		return 0;
#pragma unroll
	for (int i = 0; i < PC_PERMIT_WAYS; i++) {
		if (!bucket->slot[i].tag || !pc_permit_live(&bucket->slot[i], now))
			return i;
	}
#pragma unroll
	for (int i = 0; i < PC_PERMIT_WAYS; i++) {
		count = 0;
		owner = *(volatile __u32 *)&bucket->slot[i].owner;
#pragma unroll
		for (int j = 0; j < PC_PERMIT_WAYS; j++) {
			difference = (owner ^ *(volatile __u32 *)&bucket->slot[j].owner) & PC_PERMIT_OWNER_MASK;
			count += (difference - 1) >> 31;
		}
		score = count << 40 | (__u64)(now - bucket->slot[i].seen) << 3 | i;
		if (score > worst)
			worst = score;
	}
	return worst & (PC_PERMIT_WAYS - 1);
}

__noinline int pc_permit_grant(__u64 tag, __u32 owner)
{
	struct pc_permit_bucket *bucket = pc_permit_bucket(tag);
	struct pc_permit *permit;
	__u32 now = pc_now(), victim;

	if (!bucket)
		return 0;
	permit = pc_permit_slot(bucket, tag);
	if (!permit) {
		victim = pc_permit_victim(tag, now);
		permit = &bucket->slot[victim & (PC_PERMIT_WAYS - 1)];
		/* Nobody may take the new owner's data for the old flow's: the tag goes first and comes last. */
		*(volatile __u64 *)&permit->tag = 0;
	}
	*(volatile __u32 *)&permit->seen = now;
	*(volatile __u32 *)&permit->owner = owner;
	*(volatile __u64 *)&permit->tag = tag;
	return 0;
}

__noinline int pc_permit_revoke(__u64 tag)
{
	struct pc_permit_bucket *bucket = pc_permit_bucket(tag);
	struct pc_permit *permit = bucket ? pc_permit_slot(bucket, tag) : 0;

	if (permit)
		*(volatile __u64 *)&permit->tag = 0;
	return 0;
}

#endif
