/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a parsed packet to a reason, which implies the verdict. */
#ifndef PORTCULLIS_JUDGE_H
#define PORTCULLIS_JUDGE_H

#include "parse.h"
#include "permits.h"
#include "verdict.h"

/* So many packets of an endpoint look for a missing permit after a reply found none. */
#define PC_HEAL_PACKETS 64
/* A connection without permit is adopted when its ports say that this end opened it. */
#define PC_EPHEMERAL_PORTS 32768

/* An endpoint as one packet sees it: both rows come from one 8-byte load. */
struct pc_view {
	__u32 slot; /* the endpoint's, below PC_ENDPOINT_SLOTS */
	__u32 ifindex;
	__u32 flags;
	__u32 direction;
	__u32 row; /* of the packet's direction */
	__u32 reverse_row;
	__u32 rule; /* out: argument of the deciding verdict */
};

static __always_inline struct pc_endpoint *pc_endpoint(__u32 slot)
{
	return &pc_direct.endpoints[slot & (PC_ENDPOINT_SLOTS - 1)];
}

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

static __always_inline int pc_is_own(const struct pc_view *view, __u8 family, const struct pc_address *address)
{
	struct pc_endpoint *endpoint = pc_endpoint(view->slot);

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

/* The same, in less to verify. */
__noinline int pc_is_own_of(__u32 slot, __u32 ifindex, __u32 family, __u64 word0, __u64 word1)
{
	const struct pc_address address = { .word = { word0, word1 } };
	struct pc_view view = { .slot = slot, .ifindex = ifindex, .flags = pc_endpoint(slot)->flags };

	return pc_is_own(&view, family, &address) ? 1 : 0;
}

static __always_inline int pc_is_own_slowly(const struct pc_view *view, __u8 family, const struct pc_address *address)
{
	return pc_is_own_of(view->slot, view->ifindex, family, address->word[0], address->word[1]) & 1;
}

/* Whether a direction with this row can be denied anything. */
static __always_inline int pc_is_policed(__u32 row)
{
	return row && !(row & PC_ROW_OPEN);
}

/* The reason for a verdict; deciding ones are below PC_REASON_FIRST_DENY when the packet passes. */
static __always_inline enum pc_reason pc_reason_of(__u32 verdict, int own)
{
	switch (pc_verdict_kind(verdict)) {
	case PC_VERDICT_ALLOW:
		return PC_REASON_ALLOWED;
	case PC_VERDICT_AUDIT:
		return PC_REASON_AUDIT;
	case PC_VERDICT_AUDIT_ISOLATED:
		return own ? PC_REASON_OWN_ADDRESS : PC_REASON_AUDIT;
	case PC_VERDICT_ISOLATED:
		return own ? PC_REASON_OWN_ADDRESS : PC_REASON_ISOLATED;
	default:
		return PC_REASON_DENIED;
	}
}

/*
 * The functions below that are not static are verified once, for any arguments, instead of once for each way that leads to
 * them. Before 5.12 arguments are numbers only, so what they need of a packet and its endpoint is packed into five:
 *
 * sum      of the flow's addresses and ports, see permits.h
 * facts    PC_FACT_*
 * place    slot, interface index << 32
 * reverse  what policy says of a reply, which is what it says of the packet that this one may be a reply to: see pc_policy
 * rest     source port, destination port << 16, rule << 32
 */
#define PC_FACT_PROTOCOL_SHIFT 16 /* below are roles */
#define PC_FACT_FAMILY_SHIFT 24
#define PC_FACT_DIRECTION_SHIFT 32
#define PC_FACT_QUOTED (1ULL << 33) /* what an ICMP error quotes leaves nothing behind */
#define PC_FACT_REASON_SHIFT 40 /* what policy says */

static __always_inline __u32 pc_fact_direction(__u64 facts)
{
	return facts >> PC_FACT_DIRECTION_SHIFT & 1;
}

/* Protocol and family are where pc_flow_tag wants them. */
static __always_inline __u64 pc_fact_tag(__u64 sum, __u64 facts, __u32 opener)
{
	return pc_flow_tag(sum, facts >> 8 & 0xffff00, opener);
}

static __always_inline __u32 pc_permit_owner(__u64 facts, __u64 place)
{
	__u32 kind = !(facts & PC_TCP) ? PC_PERMIT_OTHER : facts & PC_CLOSES ? PC_PERMIT_TCP_CLOSING : PC_PERMIT_TCP;

	return (place >> 32 & PC_PERMIT_OWNER_MASK) | kind << PC_PERMIT_KIND_SHIFT;
}

/* A reason, and the rule it comes from. */
static __always_inline __u64 pc_result(enum pc_reason reason, __u32 rule)
{
	return reason | (__u64)rule << 32;
}

/* With established: keep, every allowed flow is remembered under the direction of its first packet. */
static __always_inline void pc_remember(__u64 sum, __u64 facts, __u64 place)
{
	__u32 closes = facts & PC_CLOSES, opener = pc_fact_direction(facts);

	if (!(facts & (PC_OPENS | PC_REPLIES)))
		return;
	if (!(facts & PC_OPENS) || !(facts & PC_TCP)) {
		if (pc_permit_use_slowly(pc_fact_tag(sum, facts, !opener), closes)
		    || pc_permit_use_slowly(pc_fact_tag(sum, facts, opener), closes))
			return;
	}
	pc_permit_grant(pc_fact_tag(sum, facts, opener), pc_permit_owner(facts, place));
}

/* Whether a packet that policy allows leaves a permit for its replies, if policy would deny them. */
static __always_inline int pc_begins(__u64 facts, __u64 place, __u64 rest)
{
	struct pc_endpoint *endpoint = pc_endpoint(place);

	if (facts & PC_OPENS)
		return 1;
	/* Adopting a connection that the other end opened would let it outlive a policy that denies it. */
	if (!(facts & PC_TCP) || !endpoint->heal || (rest & 0xffff) < PC_EPHEMERAL_PORTS
	    || (rest >> 16 & 0xffff) >= PC_EPHEMERAL_PORTS)
		return 0;
	endpoint->heal--;
	return 1;
}

/* What policy alone says of a packet with this class of remote address: the reason, rule << 32. */
static __always_inline __u64 pc_policy(__u32 row, __u32 class, __u32 protocol, __u32 port, __u32 own)
{
	__u32 verdict;

	if (!row)
		return PC_REASON_UNPOLICED;
	verdict = pc_verdict(row, class, pc_port_key(protocol, port));
	return pc_result(pc_reason_of(verdict, !!own), verdict & PC_VERDICT_ARG_MASK);
}

/* The same, in less to verify. */
__noinline __u64 pc_policy_slowly(__u32 row, __u32 class, __u32 protocol, __u32 port, __u32 own)
{
	return pc_policy(row, class, protocol, port, own);
}

/* What a packet needs once policy has spoken, unless it is simply allowed. */
__noinline __u64 pc_follow_up(__u64 sum, __u64 facts, __u64 place, __u64 reverse, __u64 rest)
{
	__u32 direction = pc_fact_direction(facts), closes = facts & PC_CLOSES, rule = rest >> 32;
	enum pc_reason reason = facts >> PC_FACT_REASON_SHIFT & 0xff, answered = reverse & 0xff;

	/* Denied, or would be if audited policies were enforced: does it belong to a flow that may go on? */
	if (reason >= PC_REASON_AUDIT && facts & PC_REPLIES && answered < PC_REASON_FIRST_DENY) {
		if (pc_permit_use(pc_fact_tag(sum, facts, !direction), closes)) {
			/* A reply is as good as what it answers. */
			if (answered != PC_REASON_AUDIT)
				return pc_result(PC_REASON_REPLY, answered == PC_REASON_UNPOLICED ? rule : reverse >> 32);
			if (reason >= PC_REASON_FIRST_DENY)
				return pc_result(PC_REASON_AUDIT, reverse >> 32);
		} else if (facts & PC_TCP) {
			pc_endpoint(place)->heal = PC_HEAL_PACKETS;
		}
	}
	if (reason >= PC_REASON_FIRST_DENY) {
		if (pc_config.flags & PC_CONFIG_KEEP_ESTABLISHED && (facts & (PC_TCP | PC_OPENS)) != (PC_TCP | PC_OPENS)
		    && ((facts & PC_REPLIES && pc_permit_use_slowly(pc_fact_tag(sum, facts, !direction), closes))
			|| (facts & (PC_OPENS | PC_TCP) && pc_permit_use_slowly(pc_fact_tag(sum, facts, direction), closes))))
			reason = PC_REASON_ESTABLISHED;
		return pc_result(reason, rule);
	}
	if (facts & PC_FACT_QUOTED)
		return pc_result(reason, rule);
	if (pc_config.flags & PC_CONFIG_KEEP_ESTABLISHED) {
		pc_remember(sum, facts, place);
	} else if (pc_begins(facts, place, rest)) {
		/* In audit mode too: a reply is told only when it would have been dropped. */
		if (answered >= PC_REASON_AUDIT)
			pc_permit_grant(pc_fact_tag(sum, facts, direction), pc_permit_owner(facts, place));
	}
	return pc_result(reason, rule);
}

static __always_inline enum pc_reason pc_call_follow_up(struct pc_view *view, const struct pc_packet *p, __u64 quoted,
							enum pc_reason reason, __u64 reverse)
{
	__u64 result;

	result = pc_follow_up(pc_flow_sum(view->ifindex, p, view->direction),
			      p->roles | (__u64)p->protocol << PC_FACT_PROTOCOL_SHIFT | (__u64)p->family << PC_FACT_FAMILY_SHIFT
				      | (__u64)view->direction << PC_FACT_DIRECTION_SHIFT | quoted
				      | (__u64)reason << PC_FACT_REASON_SHIFT,
			      view->slot | (__u64)view->ifindex << 32, reverse,
			      p->source_port | (__u32)p->destination_port << 16 | (__u64)view->rule << 32);
	view->rule = result >> 32;
	return result & 0xff;
}

/* Not a reason: the packet is for pc_judge_slowly. */
#define PC_NOT_PLAIN 0xff

/*
 * A plain packet that policy denies, unless it is a reply: a permit says so, and that policy still allows what it answers.
 * That is asked first, as it is less to do than to look for a permit.
 */
static __always_inline __u32 pc_judge_denied(struct pc_view *view, const struct pc_packet *p, __u32 class, enum pc_reason reason)
{
	__u32 answered = PC_VERDICT_ALLOW << PC_VERDICT_KIND_SHIFT | view->rule, kind;

	if (view->reverse_row)
		answered = pc_verdict(view->reverse_row, class, pc_port_key(p->protocol, p->source_port));
	kind = pc_verdict_kind(answered);
	if (kind == PC_VERDICT_DENY || kind == PC_VERDICT_ISOLATED)
		return reason;
	if (kind != PC_VERDICT_ALLOW)
		return PC_NOT_PLAIN;
	if (!pc_permit_use(pc_flow_tag(pc_flow_sum(view->ifindex, p, view->direction),
				       (__u32)p->family << 16 | (__u32)p->protocol << 8, !view->direction),
			   p->roles & PC_CLOSES)) {
		if (p->roles & PC_TCP)
			pc_endpoint(view->slot)->heal = PC_HEAL_PACKETS;
		return reason;
	}
	view->rule = answered & PC_VERDICT_ARG_MASK;
	return PC_REASON_REPLY;
}

/* A plain packet of a near endpoint. Notes the rule. */
static __always_inline __u32 pc_judge(struct __sk_buff *skb, struct pc_view *view, struct pc_packet *p)
{
	__u32 class, keep, verdict = PC_VERDICT_ALLOW << PC_VERDICT_KIND_SHIFT;
	const struct pc_address remote = pc_remote(view, p);
	enum pc_reason reason = PC_REASON_UNPOLICED;
	__u64 reverse;

	keep = pc_config.flags & PC_CONFIG_KEEP_ESTABLISHED;
	if (!view->row && !view->reverse_row && !keep)
		return reason;
	class = pc_classify(p->family, &remote);
	if (view->row) {
		verdict = pc_verdict(view->row, class, pc_port_key(p->protocol, p->destination_port));
		view->rule = verdict & PC_VERDICT_ARG_MASK;
		reason = PC_REASON_ALLOWED;
	}
	/* Asked for again rather than kept: what most packets need has the registers. */
	view->ifindex = skb->ifindex;
	view->slot = view->ifindex & (PC_NEAR_SLOTS - 1);
	/* Only a packet that opens a flow leaves a permit, but for connections that lost theirs. */
	if (pc_verdict_kind(verdict) == PC_VERDICT_ALLOW && !keep
	    && !(view->reverse_row && (p->roles & PC_OPENS || pc_endpoint(view->slot)->heal)))
		return reason;
	if (pc_is_own(view, p->family, &remote))
		return PC_NOT_PLAIN;
	if (pc_verdict_kind(verdict) != PC_VERDICT_ALLOW)
		reason = pc_reason_of(verdict, 0);
	if (reason >= PC_REASON_FIRST_DENY && !keep)
		return p->roles & PC_REPLIES ? pc_judge_denied(view, p, class, reason) : reason;
	reverse = pc_policy(view->reverse_row, class, p->protocol, p->source_port, 0);
	view->ifindex = skb->ifindex;
	view->slot = view->ifindex & (PC_NEAR_SLOTS - 1);
	return pc_call_follow_up(view, p, 0, reason, reverse);
}

/*
 * Any packet with an address of ours at one end and a transport header that was read. Less to verify than pc_judge, more to
 * do for a packet that is simply allowed. quoted: PC_FACT_QUOTED or 0. Notes the rule.
 */
static __always_inline enum pc_reason pc_judge_slowly(struct pc_view *view, const struct pc_packet *p, __u64 quoted)
{
	const struct pc_address remote = pc_remote(view, p);
	__u64 forward, reverse;
	__u32 class, own;

	if (!view->row && !view->reverse_row && !(pc_config.flags & PC_CONFIG_KEEP_ESTABLISHED))
		return PC_REASON_UNPOLICED;
	class = pc_classify_slowly(p->family, &remote);
	own = pc_is_own_slowly(view, p->family, &remote);
	forward = pc_policy_slowly(view->row, class, p->protocol, p->destination_port, own);
	reverse = pc_policy_slowly(view->reverse_row, class, p->protocol, p->source_port, own);
	view->rule = forward >> 32;
	return pc_call_follow_up(view, p, quoted, forward & 0xff, reverse);
}

#endif
