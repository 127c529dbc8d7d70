// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One program for each hook of an interface; all interfaces and both families share them. A packet that may pass is left
 * to the other filters of the hook (TC_ACT_UNSPEC), any other is dropped.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include "include/counters.h"
#include "include/parse.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PC_HOOK_INGRESS 0
#define PC_HOOK_EGRESS 1

/* IPv6 fe80::/10 or :: */
static __always_inline int pc_is_local_source(const struct pc_packet *p)
{
	return p->family == 6
		&& ((p->source.word[0] & bpf_cpu_to_be64(0xffc0000000000000ULL)) == bpf_cpu_to_be64(0xfe80000000000000ULL)
		    || !(p->source.word[0] | p->source.word[1]));
}

/* Of these there is one event for a flow, not for a packet. */
static __always_inline int pc_is_news(const struct pc_packet *p, enum pc_reason reason)
{
	return reason >= PC_REASON_AUDIT || (reason == PC_REASON_ALLOWED && p->roles & PC_TCP && p->roles & PC_OPENS);
}

static __always_inline int pc_finish(struct __sk_buff *skb, const struct pc_view *view, const struct pc_packet *p,
				     enum pc_reason reason)
{
	pc_count(view->direction * PC_REASONS + reason, skb->len);
	if (pc_config.flags & PC_CONFIG_EVENTS && pc_is_news(p, reason))
		pc_send_event(view, p, reason);
	return reason >= PC_REASON_FIRST_DENY ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

/* An error passes when the packet it quotes went the other way and may be answered. */
static __always_inline int pc_quotes_allowed_flow(struct __sk_buff *skb, const struct pc_view *view,
						  const struct pc_packet *error)
{
	struct pc_packet answer = {};
	const struct pc_address *remote = view->direction == PC_INGRESS ? &answer.source : &answer.destination;
	__u32 class;

	if (!pc_parse_quoted(skb, error, &answer))
		return 0;
	if (!(view->direction == PC_INGRESS ? pc_same_address(&answer.destination, &error->destination)
					    : pc_same_address(&answer.source, &error->source)))
		return 0;
	class = pc_classify(answer.family, remote);
	if (pc_row_allows(view, view->row, class, pc_port_key(answer.protocol, answer.destination_port),
			  answer.family, remote))
		return 1;
	return pc_row_allows(view, view->reverse_row, class, pc_port_key(answer.protocol, answer.source_port),
			     answer.family, remote)
		&& pc_permit_use(pc_flow_tag(view->ifindex, !view->direction, &answer, view->direction), 0);
}

/* Later fragments share the fate of the first. Only a policed direction remembers it. */
static __always_inline enum pc_reason pc_judge_fragment(struct pc_view *view, const struct pc_packet *p)
{
	if (!view->row)
		return PC_REASON_UNPOLICED;
	/* Marked as both: it starts inside the transport header. */
	if (p->roles & PC_FIRST_FRAGMENT)
		return PC_REASON_FRAGMENT_DENIED;
	return pc_permit_use(pc_fragment_tag(view->ifindex, p, view->direction), 0)
		? PC_REASON_FRAGMENT : PC_REASON_FRAGMENT_DENIED;
}

static __always_inline void pc_record_fragment(const struct pc_view *view, const struct pc_packet *p, enum pc_reason reason)
{
	__u64 tag;

	if (!view->row)
		return;
	tag = pc_fragment_tag(view->ifindex, p, view->direction);
	if (reason >= PC_REASON_FIRST_DENY)
		pc_permit_revoke(tag);
	else
		pc_permit_grant(tag, (view->ifindex & PC_PERMIT_OWNER_MASK) | PC_PERMIT_FRAGMENT << PC_PERMIT_KIND_SHIFT);
}

static __always_inline enum pc_reason pc_judge_any(struct __sk_buff *skb, struct pc_view *view, struct pc_packet *p)
{
	__u32 checked = view->direction == PC_EGRESS && view->flags & PC_ENDPOINT_CHECK_SOURCE;
	int error = pc_parse(skb, p);
	enum pc_reason reason;

	if (error) {
		if (view->flags & PC_ENDPOINT_CLOSED || view->row || checked)
			return error;
		return PC_REASON_UNPOLICED;
	}
	if (p->roles & PC_NEIGHBOUR) {
		if (checked && p->family == 6 && !pc_is_local_source(p) && !pc_is_own(view, 6, &p->source))
			return PC_REASON_SPOOFED;
		return PC_REASON_NEIGHBOUR;
	}
	if (view->flags & PC_ENDPOINT_CLOSED)
		return PC_REASON_CLOSED;
	if (p->roles & PC_NOT_IP) {
		if (p->roles & PC_TAGGED)
			return view->row || view->reverse_row || view->flags & PC_ENDPOINT_CHECK_SOURCE
				? PC_REASON_VLAN : PC_REASON_NON_IP;
		return view->row ? PC_REASON_NON_IP_DENIED : PC_REASON_NON_IP;
	}
	if (checked && !pc_is_own(view, p->family, &p->source))
		return PC_REASON_SPOOFED;
	if (p->roles & PC_LATER_FRAGMENT)
		return pc_judge_fragment(view, p);
	reason = pc_judge(view, p);
	if (reason >= PC_REASON_FIRST_DENY && p->roles & PC_ICMP_ERROR && pc_quotes_allowed_flow(skb, view, p))
		reason = PC_REASON_ICMP_ERROR;
	if (p->roles & PC_FIRST_FRAGMENT)
		pc_record_fragment(view, p, reason);
	return reason;
}

/* Everything that is not plain TCP or UDP. The endpoint is looked up again: its view does not fit into an argument. */
static __always_inline int pc_view(struct __sk_buff *skb, __u32 hook, struct pc_view *view)
{
	__u64 rows;

	view->ifindex = skb->ifindex;
	view->rule = 0;
	view->direction = hook;
	view->endpoint = bpf_map_lookup_elem(&pc_endpoints, &view->ifindex);
	if (!view->endpoint)
		return 0;
	view->flags = *(volatile __u32 *)&view->endpoint->flags;
	if (!(view->flags & PC_ENDPOINT_PRESENT))
		return 0;
	/* On the workload's side of the interface the directions are swapped, but not on the machine's own. */
	view->direction = view->flags & PC_ENDPOINT_SELF ? hook : !hook;
	rows = *(volatile __u64 *)view->endpoint->rows;
	view->row = view->direction == PC_INGRESS ? (__u32)rows : rows >> 32;
	view->reverse_row = view->direction == PC_INGRESS ? rows >> 32 : (__u32)rows;
	return 1;
}

__noinline int pc_slow(struct __sk_buff *skb, __u32 hook)
{
	struct pc_packet packet = {};
	struct pc_view view;
	enum pc_reason reason;

	reason = pc_view(skb, hook, &view) ? pc_judge_any(skb, &view, &packet) : PC_REASON_NO_ENDPOINT;
	return pc_finish(skb, &view, &packet, reason);
}

static __always_inline int pc_hook(struct __sk_buff *skb, __u32 hook)
{
	struct pc_packet packet;
	struct pc_view view;
	enum pc_reason reason;

	if (!pc_view(skb, hook, &view) || view.flags & PC_ENDPOINT_CLOSED || !pc_parse_fast(skb, &packet))
		return pc_slow(skb, hook);
	if (view.direction == PC_EGRESS && view.flags & PC_ENDPOINT_CHECK_SOURCE
	    && !pc_is_own(&view, packet.family, &packet.source))
		reason = PC_REASON_SPOOFED;
	else
		reason = pc_judge(&view, &packet);
	return pc_finish(skb, &view, &packet, reason);
}

SEC("tc")
int portcullis_tc_ingress(struct __sk_buff *skb)
{
	return pc_hook(skb, PC_HOOK_INGRESS);
}

SEC("tc")
int portcullis_tc_egress(struct __sk_buff *skb)
{
	return pc_hook(skb, PC_HOOK_EGRESS);
}
