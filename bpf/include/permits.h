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
	return bpf_ktime_get_ns() >> 30;
}

static __always_inline __u64 pc_mix(__u64 hash, __u64 word)
{
	word ^= word >> 23;
	word *= 0x2127599bf4325c37ULL;
	word ^= word >> 47;
	return (hash ^ word) * 0x880355f21e6d1965ULL;
}

static __always_inline __u64 pc_finish_tag(__u64 hash, __u64 seed)
{
	hash ^= hash >> 32;
	hash = pc_mix(hash, seed);
	hash ^= hash >> 29;
	return hash ? hash : 1;
}

/* opener: the direction of the flow's first packet. local and remote as the endpoint sees them. */
static __always_inline __u64 pc_flow_tag(__u32 ifindex, __u32 opener, const struct pc_packet *p, __u32 direction)
{
	const struct pc_address *local = direction == PC_INGRESS ? &p->destination : &p->source;
	const struct pc_address *remote = direction == PC_INGRESS ? &p->source : &p->destination;
	__u32 local_port = direction == PC_INGRESS ? p->destination_port : p->source_port;
	__u32 remote_port = direction == PC_INGRESS ? p->source_port : p->destination_port;
	__u64 hash = pc_config.seed[0];

	hash = pc_mix(hash, (__u64)local_port << 48 | (__u64)remote_port << 32 | ifindex);
	hash = pc_mix(hash, (__u64)p->family << 16 | (__u64)p->protocol << 8 | opener);
	if (p->family == 4) {
		hash = pc_mix(hash, local->word[0] << 32 | remote->word[0]);
	} else {
		hash = pc_mix(hash, local->word[0]);
		hash = pc_mix(hash, local->word[1]);
		hash = pc_mix(hash, remote->word[0]);
		hash = pc_mix(hash, remote->word[1]);
	}
	return pc_finish_tag(hash, pc_config.seed[1]);
}

/* Reassembly goes by protocol in IPv4 only (RFC 791, RFC 8200 4.5). */
static __always_inline __u64 pc_fragment_tag(__u32 ifindex, const struct pc_packet *p, __u32 direction)
{
	__u64 hash = pc_config.seed[0];

	hash = pc_mix(hash, (__u64)p->fragment_id << 32 | ifindex);
	hash = pc_mix(hash, 0x100000000ULL | (__u64)p->family << 16
		      | (p->family == 4 ? (__u64)p->protocol << 8 : 0) | direction);
	hash = pc_mix(hash, p->source.word[0]);
	hash = pc_mix(hash, p->source.word[1]);
	hash = pc_mix(hash, p->destination.word[0]);
	hash = pc_mix(hash, p->destination.word[1]);
	return pc_finish_tag(hash, pc_config.seed[1]);
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
__noinline int pc_permit_use(__u64 tag, __u32 closes)
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
