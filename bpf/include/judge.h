/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a parsed packet to a reason, which implies the verdict. */
#ifndef PORTCULLIS_JUDGE_H
#define PORTCULLIS_JUDGE_H

#include "permits.h"
#include "verdict.h"

/* So many packets of an endpoint look for a missing permit after a reply found none. */
#define PC_HEAL_PACKETS 64
/* A connection without permit is adopted when its ports say that this end opened it. */
#define PC_EPHEMERAL_PORTS 32768

/* An endpoint as one packet sees it: both rows come from one 8-byte load. */
struct pc_view {
	struct pc_endpoint *endpoint;
	__u32 ifindex;
	__u32 flags;
	__u32 direction;
	__u32 row; /* of the packet's direction */
	__u32 reverse_row;
	__u32 rule; /* out: argument of the deciding verdict */
};

/* An own address beyond the first of its family. Scalar arguments keep the key off the callers' stack. */
__noinline int pc_is_further_own(__u32 ifindex, __u64 word0, __u64 word1)
{
	struct pc_own_address_key key = { .ifindex = ifindex };

	__builtin_memcpy(key.address, &word0, 8);
	__builtin_memcpy(key.address + 8, &word1, 8);
	return bpf_map_lookup_elem(&pc_own_addrs, &key) != 0;
}

static __always_inline struct pc_address pc_remote(const struct pc_view *view, const struct pc_packet *p)
{
	struct pc_address remote = {
		.word[0] = view->direction == PC_INGRESS ? p->source.word[0] : p->destination.word[0],
		.word[1] = view->direction == PC_INGRESS ? p->source.word[1] : p->destination.word[1],
	};

	return remote;
}

static __always_inline struct pc_address pc_local(const struct pc_view *view, const struct pc_packet *p)
{
	struct pc_address local = {
		.word[0] = view->direction == PC_INGRESS ? p->destination.word[0] : p->source.word[0],
		.word[1] = view->direction == PC_INGRESS ? p->destination.word[1] : p->source.word[1],
	};

	return local;
}

static __always_inline int pc_is_own(const struct pc_view *view, __u8 family, const struct pc_address *address)
{
	struct pc_endpoint *endpoint = view->endpoint;

	if (family == 4) {
		if (view->flags & PC_ENDPOINT_HAS_IP4 && (__u32)address->word[0] == endpoint->ip4_be)
			return 1;
		/* As ::ffff:a.b.c.d */
		return view->flags & PC_ENDPOINT_MORE_ADDRESSES
			&& pc_is_further_own(view->ifindex, 0, bpf_cpu_to_be64(0xffffULL << 32) | address->word[0] << 32);
	}
	if (view->flags & PC_ENDPOINT_HAS_IP6 && address->word[0] == *(__u64 *)endpoint->ip6
	    && address->word[1] == *(__u64 *)(endpoint->ip6 + 8))
		return 1;
	return view->flags & PC_ENDPOINT_MORE_ADDRESSES
		&& pc_is_further_own(view->ifindex, address->word[0], address->word[1]);
}

/* Whether a direction with this row can be denied anything. */
static __always_inline int pc_is_policed(__u32 row)
{
	return row && !(row & PC_ROW_OPEN);
}

/* The reason for a verdict; deciding ones are below PC_REASON_FIRST_DENY when the packet passes. */
static __always_inline enum pc_reason pc_reason_of(const struct pc_view *view, __u32 verdict, __u8 family,
						   const struct pc_address *remote)
{
	switch (pc_verdict_kind(verdict)) {
	case PC_VERDICT_ALLOW:
		return PC_REASON_ALLOWED;
	case PC_VERDICT_AUDIT:
		return PC_REASON_AUDIT;
	case PC_VERDICT_AUDIT_ISOLATED:
		return pc_is_own(view, family, remote) ? PC_REASON_OWN_ADDRESS : PC_REASON_AUDIT;
	case PC_VERDICT_ISOLATED:
		return pc_is_own(view, family, remote) ? PC_REASON_OWN_ADDRESS : PC_REASON_ISOLATED;
	default:
		return PC_REASON_DENIED;
	}
}

/* What policy alone says in a direction with this row. Notes the rule. */
static __always_inline enum pc_reason pc_row_reason(struct pc_view *view, __u32 row, __u32 class, __u32 key, __u8 family,
						    const struct pc_address *remote)
{
	__u32 verdict;

	if (!row)
		return PC_REASON_UNPOLICED;
	verdict = pc_verdict(row, class, key);
	view->rule = verdict & PC_VERDICT_ARG_MASK;
	return pc_reason_of(view, verdict, family, remote);
}

static __always_inline __u32 pc_permit_owner(const struct pc_view *view, const struct pc_packet *p)
{
	__u32 kind = !(p->roles & PC_TCP) ? PC_PERMIT_OTHER : p->roles & PC_CLOSES ? PC_PERMIT_TCP_CLOSING : PC_PERMIT_TCP;

	return (view->ifindex & PC_PERMIT_OWNER_MASK) | kind << PC_PERMIT_KIND_SHIFT;
}

/* After a packet was allowed by policy: a permit for its replies if policy alone would deny them, or in audit mode would. */
static __always_inline void pc_permit_replies(struct pc_view *view, const struct pc_packet *p, __u32 class,
					      const struct pc_address *remote)
{
	__u32 rule = view->rule;
	enum pc_reason reverse;

	if (!(p->roles & PC_OPENS)) {
		/* Adopting a connection that the other end opened would let it outlive a policy that denies it. */
		if (!(p->roles & PC_TCP) || !view->endpoint->heal
		    || p->source_port < PC_EPHEMERAL_PORTS || p->destination_port >= PC_EPHEMERAL_PORTS)
			return;
		view->endpoint->heal--;
	}
	reverse = pc_row_reason(view, view->reverse_row, class, pc_port_key(p->protocol, p->source_port), p->family, remote);
	view->rule = rule;
	if (reverse >= PC_REASON_AUDIT)
		pc_permit_grant(pc_flow_tag(view->ifindex, view->direction, p, view->direction), pc_permit_owner(view, p));
}

/* With established: keep, every allowed flow is remembered under the direction of its first packet. */
static __always_inline void pc_remember(const struct pc_view *view, const struct pc_packet *p)
{
	__u32 closes = p->roles & PC_CLOSES;
	__u32 opener = view->direction;

	if (!(p->roles & (PC_OPENS | PC_REPLIES)))
		return;
	if (!(p->roles & PC_OPENS) || !(p->roles & PC_TCP)) {
		if (pc_permit_use(pc_flow_tag(view->ifindex, !opener, p, opener), closes)
		    || pc_permit_use(pc_flow_tag(view->ifindex, opener, p, opener), closes))
			return;
	}
	pc_permit_grant(pc_flow_tag(view->ifindex, opener, p, opener), pc_permit_owner(view, p));
}

/*
 * A packet that policy denies, or would if audited policies were enforced: does it belong to a flow that may go on? A reply
 * is as good as what it answers.
 */
static __always_inline enum pc_reason pc_judge_doubtful(struct pc_view *view, const struct pc_packet *p, __u32 class,
							const struct pc_address *remote, enum pc_reason reason)
{
	__u32 closes = p->roles & PC_CLOSES, rule = view->rule;
	enum pc_reason answered;

	if (p->roles & PC_REPLIES) {
		answered = pc_row_reason(view, view->reverse_row, class, pc_port_key(p->protocol, p->source_port),
					 p->family, remote);
		if (answered < PC_REASON_FIRST_DENY) {
			if (pc_permit_use(pc_flow_tag(view->ifindex, !view->direction, p, view->direction), closes)) {
				if (answered != PC_REASON_AUDIT)
					return PC_REASON_REPLY;
				if (reason >= PC_REASON_FIRST_DENY)
					return PC_REASON_AUDIT;
			} else if (p->roles & PC_TCP) {
				view->endpoint->heal = PC_HEAL_PACKETS;
			}
		}
		view->rule = rule;
	}
	if (reason < PC_REASON_FIRST_DENY || !(pc_config.flags & PC_CONFIG_KEEP_ESTABLISHED)
	    || (p->roles & (PC_TCP | PC_OPENS)) == (PC_TCP | PC_OPENS))
		return reason;
	if (p->roles & PC_REPLIES
	    && pc_permit_use(pc_flow_tag(view->ifindex, !view->direction, p, view->direction), closes))
		return PC_REASON_ESTABLISHED;
	if (p->roles & (PC_OPENS | PC_TCP)
	    && pc_permit_use(pc_flow_tag(view->ifindex, view->direction, p, view->direction), closes))
		return PC_REASON_ESTABLISHED;
	return reason;
}

/* A packet with an address of ours at one end and a transport header that was read. */
static __always_inline enum pc_reason pc_judge(struct pc_view *view, const struct pc_packet *p)
{
	const struct pc_address remote = pc_remote(view, p);
	enum pc_reason reason, by_policy;
	__u32 class;

	if (!view->row && !view->reverse_row)
		return PC_REASON_UNPOLICED;
	class = pc_classify(p->family, &remote);
	reason = by_policy = pc_row_reason(view, view->row, class, pc_port_key(p->protocol, p->destination_port),
					   p->family, &remote);
	if (by_policy >= PC_REASON_AUDIT) {
		reason = pc_judge_doubtful(view, p, class, &remote, by_policy);
		if (reason != PC_REASON_AUDIT || by_policy != PC_REASON_AUDIT)
			return reason;
	}
	if (pc_config.flags & PC_CONFIG_KEEP_ESTABLISHED)
		pc_remember(view, p);
	else if (view->reverse_row)
		pc_permit_replies(view, p, class, &remote);
	return reason;
}

#endif
